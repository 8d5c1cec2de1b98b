package install

import (
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	env := &Environment{dir: t.TempDir()}
	one, other := &Installer{Env: env}, &Installer{Env: env}
	release, err := one.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Lock(); err == nil || !strings.Contains(err.Error(), env.dir) {
		t.Errorf("a second one gets %v, want an error that says where somebody else is at work", err)
	}
	release()
	again, err := other.Lock()
	if err != nil {
		t.Fatalf("after it was released: %v", err)
	}
	again()
}
