// Package arm holds what the benchmark compares. An arm is a value: which resource, served by whom, reached as which
// user, with which objects. The scenarios never ask which arm they run on, so that the same code, the same bytes and
// the same client are behind every number, and a new thing to compare is a new value and no new code.
package arm

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/duet-api/duet/bench/measure"
)

// Forms that an arm can have besides the names of Duet's implementations.
const (
	// BuiltIn is a resource that kube-apiserver itself serves: typed code without a hop.
	BuiltIn = "built-in"
	// Peer is an API server that is not Duet's, behind the aggregation layer.
	Peer = "peer"
	// Storage is the storage alone, with the same bytes: what no API server can be faster than.
	Storage = "storage"
	// Transport is a server that does nothing: what the connection itself costs.
	Transport = "transport"
)

// Arm is one of the things compared.
type Arm struct {
	// Name is unique in a run.
	Name string
	// Why it is there, in one sentence.
	Why string
	// Form is what serves the resource: the name of an implementation (crd, aggregated), or BuiltIn.
	Form string
	// Repeats names the arm that this one is identical to, if it is the second half of an A/A pair: what the two
	// differ by is noise, that between two control planes included if it is on another one.
	Repeats string
	// Witness: the arm is measured by an independent client, to check the numbers of the arm that it repeats.
	Witness bool
	// Reference: the arm is there to explain the others, and has a part only in the scenarios of the quick profile and in
	// those that For names.
	Reference bool
	For       []string
	// Throughout: the arm has a part in every round, although it is a reference.
	Throughout bool
	// Plane names the control plane behind the arm. Component names in resource usage begin with it.
	Plane string
	// Target is where the requests go.
	Target Target
	// Encoding of the bodies, both ways; empty means JSON.
	Encoding Encoding
	// Namespace holds the population that is read and updated. A second one, Scratch, takes the objects that the
	// benchmark creates, so that they do not grow the lists. Both are made by Prepare and removed by Cleanup.
	Namespace string
	// Kind is the resource and its objects.
	Kind *Kind
	// Wire, unless it is nil, counts what passes through the arm's connections.
	Wire *measure.Wire
}

// IsTwinOf tells whether an arm repeats another one on the same control plane, where both can look at the same objects.
func (a *Arm) IsTwinOf(other *Arm) bool { return a.Repeats == other.Name && a.Plane == other.Plane }

// dialer opens the arm's connections.
func (a *Arm) dialer() measure.DialFunc {
	dial := (&net.Dialer{Timeout: RequestTimeout, KeepAlive: 30 * time.Second}).DialContext
	if a.Wire == nil {
		return dial
	}
	return a.Wire.Count(dial)
}

// Scratch is the namespace for objects that a scenario creates.
func (a *Arm) Scratch() string { return a.Namespace + "-scratch" }

// Validate reports what is missing in the arm.
func (a *Arm) Validate() error {
	var missing string
	switch {
	case a.Name == "":
		missing = "name"
	case a.Form == "":
		missing = "form"
	case a.Target == nil:
		missing = "target"
	case a.Namespace == "":
		missing = "namespace"
	case a.Kind == nil:
		missing = "kind"
	default:
		return nil
	}
	return fmt.Errorf("could not use arm %q: it has no %s", a.Name, missing)
}

// Target is where an arm's requests go, and what has to be there for them.
type Target interface {
	// Prepare makes what the arm needs before its first request. Cleanup removes it, also after a failure half way;
	// removing what is not there is no error, and it works with a cancelled context too, in bounded time.
	Prepare(ctx context.Context, a *Arm) error
	Cleanup(ctx context.Context, a *Arm) error
	// Connect opens a connection of the arm's own: arms share none, even if their targets are equal.
	Connect(a *Arm) (Client, error)
	// Can says what requests mean something there.
	Can() Ability
}

// Ability is what can be asked of a target; each includes those before it.
type Ability int

// The abilities.
const (
	// Answer: creates, gets and lists are answered, and perhaps nothing is kept.
	Answer Ability = iota
	// Keep: objects are kept, can be replaced, and can be watched.
	Keep
	// ServeAPI: it is a Kubernetes API, with every request that such an API knows.
	ServeAPI
	// Own: what is behind the API may be stopped, started and installed anew, and its controller can be let loose.
	Own
)

// Prepare makes what the arm needs.
func (a *Arm) Prepare(ctx context.Context) error {
	if err := a.Validate(); err != nil {
		return err
	}
	return a.Target.Prepare(ctx, a)
}

// Cleanup removes what Prepare made.
func (a *Arm) Cleanup(ctx context.Context) error { return a.Target.Cleanup(ctx, a) }

// NewClient connects to the arm.
func (a *Arm) NewClient() (Client, error) { return a.Target.Connect(a) }
