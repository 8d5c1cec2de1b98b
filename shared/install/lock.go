package install

import (
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Lock keeps everybody else from changing what is installed to the same control plane until it is released. The operating
// system releases it when this program ends, in whatever way. A client that is killed and run again does not have to wait.
func (i *Installer) Lock() (release func(), err error) {
	lock := flock.New(filepath.Join(i.Env.dir, "change.lock"), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("could not see whether somebody else changes the installation: %w", err)
	}
	if !held {
		return nil, fmt.Errorf("another duet is changing the installation in %s: wait until it is done", i.Env.dir)
	}
	return func() { _ = lock.Close() }, nil
}
