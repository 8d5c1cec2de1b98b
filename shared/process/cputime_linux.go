package process

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what a process has used, to the nanosecond: /proc counts in hundredths of a second, in which a server
// answers a dozen requests. The clock's number is what clock_getcpuclockid(3) says; reading the clock of another process
// needs no permission.
func cpuTime(pid int) (time.Duration, bool) {
	const schedulerClock = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &used); err != nil {
		return 0, false
	}
	return time.Duration(used.Nano()), true
}
