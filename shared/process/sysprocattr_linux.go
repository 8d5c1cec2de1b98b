package process

import "syscall"

// sysProcAttr gives a child a group of its own, so that Ctrl-C in the terminal reaches only the supervisor, which then
// stops the children in order; and lets the kernel end the child when the supervisor dies without doing so.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
