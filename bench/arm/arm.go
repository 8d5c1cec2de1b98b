// Package arm holds what the benchmark compares. An arm is a value: which resource, served by whom, reached as which
// user, with which objects. The scenarios never ask which arm they run on, so that the same code, the same bytes and
// the same client are behind every number, and a new thing to compare is a new value and no new code.
package arm

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Forms that an arm can have besides the names of Duet's implementations.
const (
	// BuiltIn is a resource that kube-apiserver itself serves: typed code without a hop.
	BuiltIn = "built-in"
)

// Arm is one of the things compared.
type Arm struct {
	// Name is unique in a run.
	Name string
	// Form is what serves the resource: the name of an implementation (crd, aggregated), or BuiltIn.
	Form string
	// Repeats names the arm that this one is identical to, if it is the second half of an A/A pair: what the two
	// differ by is noise.
	Repeats string
	// Plane names the control plane behind the arm. Component names in resource usage begin with it.
	Plane string
	// Config reaches the control plane as the user whose requests are measured. It must not be in system:masters,
	// who skip authorization and priority: Prepare refuses such a user.
	Config *rest.Config
	// Admin reaches the same control plane as an administrator, to make and remove namespaces and rights.
	Admin *rest.Config
	// Namespace holds the population that is read and updated. A second one, Scratch, takes the objects that the
	// benchmark creates, so that they do not grow the lists. Both are made by Prepare and removed by Cleanup.
	Namespace string
	// Kind is the resource and its objects.
	Kind *Kind
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
	case a.Config == nil || a.Admin == nil:
		missing = "client configuration"
	case a.Namespace == "":
		missing = "namespace"
	case a.Kind == nil:
		missing = "kind"
	default:
		return nil
	}
	return fmt.Errorf("could not use arm %q: it has no %s", a.Name, missing)
}

// Kind is a resource together with a corpus of its objects.
type Kind struct {
	// Resource is what the arm reads and writes, with its version.
	Resource schema.GroupVersionResource
	// variants are the objects of the corpus, ready to be filled in.
	variants []template
}

// Object fills in what differs between the objects of a corpus.
type Object struct {
	// Namespace and Name of the object.
	Namespace, Name string
	// ResourceVersion is the version that an update replaces; empty for a new object.
	ResourceVersion string
	// Number chooses the payload from the corpus. Equal numbers give equal payloads in every arm of a seed.
	Number int
	// Revision is written into one field of the spec, so that each update really changes the object.
	Revision int
}

// Append adds the object as JSON to a buffer and returns the buffer.
func (k *Kind) Append(to []byte, object Object) []byte {
	return k.variants[object.Number%len(k.variants)].append(to, object)
}
