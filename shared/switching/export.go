package switching

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/shared/durable"
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
	if err := durable.WriteFile(file, content.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("could not export the objects: %w", err)
	}
	return digestOf(content.Bytes()), nil
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
