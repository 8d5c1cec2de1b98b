// Package durable writes files that are there in whole or not at all, whatever happens meanwhile: an interrupted run's rounds,
// and objects that are about to be made anew, exist nowhere else.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile puts a file into its place once its content is on the disk. One that was there before is replaced then.
func WriteFile(file string, content []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(file)
	draft, err := os.CreateTemp(dir, filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(draft.Name()))
		}
	}()
	_, err = draft.Write(content)
	if err = errors.Join(err, draft.Chmod(mode), draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err = os.Rename(draft.Name(), file); err != nil {
		return err
	}
	parent, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}
