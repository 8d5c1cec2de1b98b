// Package process runs local processes by name.
//
// It exists because Duet's control plane and the two forms are real servers, and both the benchmark and the fault tests
// must be able to see what each of them costs and to kill, pause and restart one of them while the others keep running.
// envtest cannot do that: it starts and stops everything at once and forgets the process identifiers.
//
// There are two Runners with the same behaviour: Supervisor owns the processes and lives as long as they do, and Client
// speaks to the Supervisor of another program over a unix socket that Server serves. Nothing is restarted by itself,
// because a test that kills a component must find it dead.
//
// No process outlives its supervisor. On Linux the kernel sees to it, even when the supervisor is killed with SIGKILL;
// elsewhere the next supervisor of the same directory ends what the last one left.
package process
