package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/duet-api/duet/shared/durable"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	for _, content := range []string{"first", "and another"} {
		if err := durable.WriteFile(file, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != content {
			t.Errorf("the file has %q (%v), want %q", got, err, content)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("the file has mode %v (%v)", info.Mode(), err)
	}
}

// TestWriteFileThatFails leaves what was there before, and no draft.
func TestWriteFileThatFails(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "inside"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(taken, []byte("content"), 0o600); err == nil {
		t.Error("a file took the place of a directory")
	}
	if err := durable.WriteFile(filepath.Join(dir, "none", "file"), nil, 0o600); err == nil {
		t.Error("a file was written to a directory that is not there")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("there are %v (%v), want the directory alone", entries, err)
	}
}
