package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"

	"github.com/duet-api/duet/shared/process"
)

// Run runs a process of a control plane, or one beside it. An etcd that was stopped, the last time, before it had come into
// being begins anew: it makes its log first and writes down in it afterwards that it is a member, and one that finds a log
// without that waits for a leader for ever.
func Run(ctx context.Context, runner process.Runner, spec process.Spec) error {
	if filepath.Base(spec.Path) == Etcd {
		if err := removeStillborn(ctx, runner, spec); err != nil {
			return err
		}
	}
	return runner.Run(ctx, spec)
}

func removeStillborn(ctx context.Context, runner process.Runner, spec process.Spec) error {
	before, err := process.Find(ctx, runner, spec.Name)
	if unknown := (*process.UnknownError)(nil); err != nil && !errors.As(err, &unknown) {
		return err
	}
	dir := spec.Flag("data-dir")
	if err == nil && before.State != process.Exited || !stillborn(dir) {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("could not remove the data of %s, which never came to store anything: %w", spec.Name, err)
	}
	return nil
}

// stillborn is whether the data directory of an etcd has a log in which nothing was ever committed, and a database in which
// nothing is stored. What is in use or cannot be read is left to etcd, which tells why.
func stillborn(dir string) bool {
	log := filepath.Join(dir, "member", "wal")
	if segments, err := fs.Glob(os.DirFS(log), "*.wal"); err != nil || len(segments) != 1 {
		return false // Another one is begun when the first is full.
	}
	// As etcd opens it: it is locked then, and may not end in the middle of something.
	reader, err := wal.Open(zap.NewNop(), log, walpb.Snapshot{})
	if err != nil {
		return false
	}
	defer reader.Close()
	_, state, _, err := reader.ReadAll()
	return err == nil && state.Commit == 0 && storesNothing(filepath.Join(dir, "member", "snap", "db"))
}

// keyBucket is where etcd stores keys: schema.Key of its server, which would bring a good part of that server along.
const keyBucket = "key"

// storesNothing is whether the database of an etcd is not there, or has no key.
func storesNothing(path string) bool {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer db.Close()
	empty := false
	err = db.View(func(tx *bolt.Tx) error {
		keys := tx.Bucket([]byte(keyBucket))
		if empty = keys == nil; !empty {
			key, _ := keys.Cursor().First()
			empty = key == nil
		}
		return nil
	})
	return err == nil && empty
}
