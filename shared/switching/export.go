package switching

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// exportFile is where the objects of a switch are kept, below a directory: one file for each switch, and none is ever
// deleted.
func exportFile(dir, from string, at time.Time) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%s.jsonl", at.UTC().Format("20060102T150405.000Z"), from))
}

// writeExport writes objects to a file, one on each line, sorted by namespace and name, and returns the SHA-256 of it. The
// file is there whole or not at all, also after a loss of power.
func writeExport(file string, objects map[string]*unstructured.Unstructured) (string, error) {
	var content bytes.Buffer
	for _, key := range sortedKeys(objects) {
		line, err := json.Marshal(objects[key])
		if err != nil {
			return "", fmt.Errorf("could not export %s: %w", key, err)
		}
		content.Write(line)
		content.WriteByte('\n')
	}
	if err := writeDurably(file, content.Bytes()); err != nil {
		return "", fmt.Errorf("could not export the objects: %w", err)
	}
	return digestOf(content.Bytes()), nil
}

// writeDurably puts a file into its place once its content is on the disk.
func writeDurably(file string, content []byte) (err error) {
	dir := filepath.Dir(file)
	draft, err := os.CreateTemp(dir, filepath.Base(file)+".*") // for its owner alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(draft.Name()))
		}
	}()
	_, err = draft.Write(content)
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
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

// readExport reads what writeExport wrote, by namespace and name, and returns the SHA-256 of the file.
func readExport(file string) (map[string]*unstructured.Unstructured, string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("could not read the export: %w", err)
	}
	objects := map[string]*unstructured.Unstructured{}
	for line := range bytes.Lines(content) {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(line); err != nil {
			return nil, "", fmt.Errorf("could not read the export %s: %w", file, err)
		}
		objects[object.GetNamespace()+"/"+object.GetName()] = object
	}
	return objects, digestOf(content), nil
}

func digestOf(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }
