package controlplane

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"

	"github.com/duet-api/duet/shared/process"
)

// RemoveStillborn removes the data of an etcd that is about to be run and was stopped, the last time, before it had come into
// being: etcd makes its log first and writes down in it afterwards that it is a member, and one that finds a log without that
// waits for a leader for ever. Nothing can have been stored in it, as that is what comes after.
func RemoveStillborn(ctx context.Context, runner process.Runner, spec process.Spec) error {
	before, err := process.Find(ctx, runner, spec.Name)
	if err == nil && before.State != process.Exited {
		return nil
	}
	dir := spec.Flag("data-dir")
	if !stillborn(dir) {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("could not remove the data of %s, which never came to store anything: %w", spec.Name, err)
	}
	return nil
}

// stillborn is whether the data directory of an etcd has a log in which nothing was ever committed. What cannot be read is left
// to etcd, which tells why.
func stillborn(dir string) bool {
	log := filepath.Join(dir, "member", "wal")
	if segments, err := fs.Glob(os.DirFS(log), "*.wal"); err != nil || len(segments) != 1 {
		return false // Another one is begun when the first is full.
	}
	reader, err := wal.OpenForRead(zap.NewNop(), log, walpb.Snapshot{})
	if err != nil {
		return false
	}
	defer reader.Close()
	_, state, _, err := reader.ReadAll()
	return err == nil && state.Commit == 0
}
