// Package switching moves a live API from one form to the other. It exists apart from package install because an
// installation may have a gap and a switch may not: it is one state machine, whose progress is kept in the cluster, so
// that it can be stopped at any moment, gone on with, and taken back, and every step of it is checked before the next.
//
// docs/switching.md is for who uses it; what kube-apiserver does in between, and which order is safe because of it, is
// said where it is used.
package switching
