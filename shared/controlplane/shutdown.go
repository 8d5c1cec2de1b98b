package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/duet-api/duet/shared/process"
)

// shutdownTimeout is longer than stopping each process with its grace period can take.
const shutdownTimeout = 2 * time.Minute

// Shutdown stops everything that the supervisor of dir runs, and the supervisor, and waits for their end. It says
// whether there was one. What a supervisor that was killed left behind is ended as well.
func Shutdown(ctx context.Context, dir string) (wasUp bool, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return false, fmt.Errorf("could not stop the control plane: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, stateName)); errors.Is(err, os.ErrNotExist) {
		return false, nil // and nothing is put into a directory that is not Duet's
	}
	client := process.NewClient(process.SocketPath(dir))
	info, err := client.Info(ctx)
	asked := err == nil && client.Shutdown(ctx) == nil

	var supervised *process.AlreadySupervisedError
	err = wait.PollUntilContextTimeout(ctx, lockEvery, shutdownTimeout, true, func(ctx context.Context) (bool, error) {
		// Whoever gets hold of the directory knows that the old supervisor is gone, and ends its orphans.
		supervisor, err := process.NewSupervisor(dir)
		if errors.As(err, &supervised) {
			if !asked {
				return false, fmt.Errorf("%w, which does not answer at its socket: stop that program", err)
			}
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if err := supervisor.Close(ctx); err != nil {
			return false, err
		}
		return !asked || !process.Alive(info.PID), nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return asked, fmt.Errorf("could not stop the control plane in %s within %s: it is still stopping", dir, shutdownTimeout)
	}
	return asked, err
}

// DeleteData removes the directory of a control plane that is down, with everything in it.
func DeleteData(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("could not read the control plane's directory: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, stateName)); err != nil {
		return fmt.Errorf("%s is not the directory of a control plane: nothing is deleted", dir)
	}
	// The mark goes last, so that a deletion that was interrupted can be done again.
	for _, entry := range entries {
		if entry.Name() == stateName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("could not delete the data: %w", err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("could not delete the data: %w", err)
	}
	return nil
}
