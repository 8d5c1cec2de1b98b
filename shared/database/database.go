package database

import (
	"context"
	"time"
)

// Server is a session of an administrator on one server. It is for one goroutine at a time.
type Server interface {
	// Flavor of the server, as it says itself.
	Flavor() Flavor

	// State of the server's data and of its replication.
	State(ctx context.Context) (State, error)
	// Lacks says which of the transactions that another server of the same flavor has this one has not; empty if none.
	// The other server's state must be the older one, since servers that follow are always behind.
	Lacks(ctx context.Context, other State) (string, error)

	// Lead makes the server one that follows nobody and takes writes, now and after a restart.
	Lead(ctx context.Context) error
	// Follow makes the server take its data from a source, by GTID, from where it is. A source that it had is replaced.
	Follow(ctx context.Context, source Source) error
	// Resume starts the threads of replication that do not run.
	Resume(ctx context.Context) error
	// Pause stops the threads of replication, and keeps the source.
	Pause(ctx context.Context) error
	// SetReadOnly refuses or admits writes of anybody but replication, now and after a restart where the server can
	// remember it (MySQL).
	SetReadOnly(ctx context.Context, readOnly bool) error
	// Wipe drops every schema and every account but the server's own, the session's user and those to keep, and makes the
	// server follow nobody and know of no transaction: what is left can follow a source from its first transaction on. A
	// wipe that was interrupted shows in [State.Wiping], and is to be done again.
	Wipe(ctx context.Context, keep ...string) error
	// Donate lets others clone this server. See [Flavor.CanClone].
	Donate(ctx context.Context) error
	// Clone replaces the server's data by a copy of a source's, and ends the server, which its supervisor starts again. It
	// takes as long as copying takes: the session should be a patient one, see [Target.Patient].
	Clone(ctx context.Context, source Source) error

	// EnsureReplicationUser makes the account that replicas log in with, if there is none. renew sets the password of one
	// that exists, too.
	EnsureReplicationUser(ctx context.Context, user, password string, renew bool) error
	// SetRootPassword gives all accounts of the session's user a password. On MySQL the one they had works too until
	// [Server.DiscardOldPassword].
	SetRootPassword(ctx context.Context, password string) error
	// DiscardOldPassword ends what SetRootPassword began. On a server that retains nothing it does nothing.
	DiscardOldPassword(ctx context.Context) error

	// Variables are global system variables by name, as the server shows them. One that it does not have is missing.
	Variables(ctx context.Context, names ...string) (map[string]string, error)
	// FromFile names the variables that the server took from option files whose paths end so, when it started.
	FromFile(ctx context.Context, ending string) ([]string, error)
	// SetVariable sets a global variable until the next restart. A string, an int64, a uint64 or a float64 must be what
	// the variable takes; nil is the server's own default.
	SetVariable(ctx context.Context, name string, value any) error

	// Stats are the server's counters.
	Stats(ctx context.Context) (Stats, error)

	// Close ends the session.
	Close() error
}

// State is what a server says about its data and its replication.
type State struct {
	// ReadOnly is true if the server refuses writes of clients.
	ReadOnly bool
	// SuperReadOnly is true if it refuses those of administrators too, which MariaDB cannot.
	SuperReadOnly bool
	// Encrypted is true if this session is, and so the server can.
	Encrypted bool
	// Executed are the transactions that the server has, as a set of GTIDs in its own notation.
	Executed string
	// Complete is true if the binary logs still hold every transaction that the server ever had, so that an empty server
	// can follow it from the beginning.
	Complete bool
	// Schemas that somebody made: none in a server without user data.
	Schemas []string
	// Wiping is true if a wipe has begun and did not end: what is left of the data is worth nothing.
	Wiping bool
	// Source that the server is set up to follow; nil if none.
	Source *Following
}

// Following is how a server follows its source.
type Following struct {
	Host string
	Port int
	User string
	// Encrypted is true if the server uses TLS for it.
	Encrypted bool
	// ByGTID is true if the server finds its place in the source's log by GTID.
	ByGTID bool
	// Receiver takes transactions from the source, Applier executes them.
	Receiver, Applier Thread
	// Behind is how old the transaction is that is being executed; nil if the server cannot say, such as when it has no
	// connection to its source.
	Behind *time.Duration
}

// Thread of replication.
type Thread struct {
	State ThreadState
	// Code of the last error, 0 if there was none, and its text.
	Code  int
	Error string
}

// ThreadState of a thread of replication.
type ThreadState string

// States of a thread. Connecting is only of the receiver, which tries again for ever.
const (
	Running    ThreadState = "Running"
	Connecting ThreadState = "Connecting"
	Stopped    ThreadState = "Stopped"
)

// Source is where a server takes its data from.
type Source struct {
	Host           string
	Port           int
	User, Password string
	// Encrypted makes the server use TLS; the source must be able to.
	Encrypted bool
	// AuthorityFile is the path, on the following server, of the certificate authorities that the source's certificate
	// must come from; empty takes any certificate.
	AuthorityFile string
}

// Stats are a server's counters since its start.
type Stats struct {
	// Uptime of the server.
	Uptime time.Duration
	// ThreadsConnected and ThreadsRunning are sessions now: open, and executing something.
	ThreadsConnected, ThreadsRunning uint64
	// Queries that clients sent, and those of them that took longer than long_query_time.
	Queries, SlowQueries uint64
	// Connections that were tried.
	Connections uint64
	// BytesReceived from clients and BytesSent to them.
	BytesReceived, BytesSent uint64
}
