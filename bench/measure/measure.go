// Package measure attributes CPU time and memory to the processes that serve a request. Latency alone hides the price
// of a mechanism that answers as fast but with twice the work; CPU time per operation also drifts far less on a shared
// machine than latency does.
package measure

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Usage is what a process has used.
type Usage struct {
	// CPU time since the process started, user and system.
	CPU time.Duration
	// RSSBytes is the resident memory now.
	RSSBytes uint64
}

// Source reads the usage of each component, by name. It must be cheap: it runs before and after every slice of a cell.
// A nil source has no components.
type Source func(ctx context.Context) (map[string]Usage, error)

// Read the usage of each component now.
func (s Source) Read(ctx context.Context) (map[string]Usage, error) {
	if s == nil {
		return nil, nil
	}
	usage, err := s(ctx)
	if err != nil {
		return nil, fmt.Errorf("could not read the usage of the components: %w", err)
	}
	return usage, nil
}

// Generator is the name of the component that is this process itself: the load generator.
const Generator = "load-generator"

// Change is what a component used between two readings.
type Change struct {
	// CPU time used in between.
	CPU time.Duration
	// RSSBytes at the second reading, and its change since the first.
	RSSBytes      uint64
	RSSDeltaBytes int64
}

// Between subtracts two readings. One that is only in the second was started in between, and all that it used counts. A
// component that is gone, or whose CPU time fell (it was restarted in between), is left out: a missing number is better than a
// wrong one.
func Between(before, after map[string]Usage) map[string]Change {
	out := make(map[string]Change, len(after))
	for name, now := range after {
		then := before[name]
		if now.CPU < then.CPU {
			continue
		}
		out[name] = Change{
			CPU:           now.CPU - then.CPU,
			RSSBytes:      now.RSSBytes,
			RSSDeltaBytes: int64(now.RSSBytes) - int64(then.RSSBytes),
		}
	}
	return out
}

// Around says what each component used while something was done, and this process, under the name Generator. This one is
// read last before it and first after it: reading the others is not what it is asked for. A nil source measures this
// process only.
func Around(ctx context.Context, source Source, do func() error) (map[string]Change, error) {
	before, err := source.Read(ctx)
	if err != nil {
		return nil, err
	}
	self, err := Self()
	if err != nil {
		return nil, err
	}
	if err := do(); err != nil {
		return nil, err
	}
	selfAfter, err := Self()
	if err != nil {
		return nil, err
	}
	after, err := source.Read(ctx)
	if err != nil {
		return nil, err
	}
	out := Between(before, after)
	maps.Copy(out, Between(map[string]Usage{Generator: self}, map[string]Usage{Generator: selfAfter}))
	return out, nil
}

// Self is the usage of this process. Where the system has no /proc, the memory is 0.
func Self() (Usage, error) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return Usage{}, fmt.Errorf("could not read this process's CPU time: %w", err)
	}
	usage := Usage{CPU: time.Duration(r.Utime.Nano()) + time.Duration(r.Stime.Nano())}
	if self, err := procfs.Self(); err == nil {
		if stat, err := self.Stat(); err == nil {
			usage.RSSBytes = uint64(stat.ResidentMemory())
		}
	}
	return usage, nil
}
