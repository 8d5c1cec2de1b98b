package process

import (
	"os"
	"testing"
	"time"
)

func TestCPUTimeIsFine(t *testing.T) {
	before, ok := cpuTime(os.Getpid())
	if !ok || before <= 0 {
		t.Fatalf("cpuTime() = %v, %v", before, ok)
	}
	for began := time.Now(); time.Since(began) < time.Millisecond; {
		// Busy for less than a tick of /proc.
	}
	after, _ := cpuTime(os.Getpid())
	if used := after - before; used <= 0 || used%(10*time.Millisecond) == 0 {
		t.Errorf("a busy millisecond counts as %v", used)
	}
	if _, ok := cpuTime(1 << 22); ok {
		t.Error("a process that there cannot be has a CPU time")
	}
}
