//go:build !linux

package process

import "syscall"

// sysProcAttr gives a child a group of its own, so that Ctrl-C in the terminal reaches only the supervisor, which then
// stops the children in order. There is no parent-death signal here: see endOrphans.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
