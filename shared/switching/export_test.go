package switching

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestExport(t *testing.T) {
	file := exportFile(t.TempDir(), "crd", time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC))
	if got, want := filepath.Base(file), "20260102T030405.006Z-crd.jsonl"; got != want {
		t.Errorf("the file is %s, want %s", got, want)
	}
	objects := map[string]*unstructured.Unstructured{"a/db": served("one", 5, 5), "a/other": served("two", 1, 1, func(m map[string]any) {
		m["name"] = "other"
	})}
	if _, err := writeExport(file, map[string]*unstructured.Unstructured{"a/db": objects["a/db"]}); err != nil {
		t.Fatal(err)
	}
	digest, err := writeExport(file, objects) // Once more, as a run that goes on does.
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(content)); digest != want {
		t.Errorf("the digest is %s, and that of the file %s", digest, want)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %s", info.Mode())
	}
	if drafts, err := filepath.Glob(file + ".*"); err != nil || len(drafts) > 0 {
		t.Errorf("drafts are left: %v, %v", drafts, err)
	}
	again, read, err := readExport(file)
	if err != nil {
		t.Fatal(err)
	}
	if read != digest {
		t.Errorf("the digest of what was read is %s, and of what was written %s", read, digest)
	}
	if diff := cmp.Diff(objects, again); diff != "" {
		t.Errorf("what was read (-want +got):\n%s", diff)
	}
	if _, _, err := readExport(file + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
	if err := os.WriteFile(file, content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readExport(file); err == nil {
		t.Error("half an export was read")
	}
}
