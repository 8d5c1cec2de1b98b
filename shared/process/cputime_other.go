//go:build !linux

package process

import "time"

// cpuTime is not known to the nanosecond here.
func cpuTime(int) (time.Duration, bool) { return 0, false }
