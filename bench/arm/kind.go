package arm

import (
	"fmt"
	"math"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is a resource together with a corpus of its objects.
type Kind struct {
	// Resource is what the arm reads and writes, with its version.
	Resource schema.GroupVersionResource
	// Bytes is the size of each object as the client sends it, without the few bytes of what Object fills in. What the
	// server adds (uid, managed fields) comes on top.
	Bytes int
	// Field is a field selector that a part of the objects matches (see Selects); empty when nothing but names can be
	// selected.
	Field string
	// OldVersion is another version in which the same objects can be read and written; empty when there is none. Where the
	// resource is served decides.
	OldVersion string

	// corpus is what the objects come from, variants are the objects ready to be filled in, and statuses the same with a
	// status; there are none when the kind has no such subresource.
	corpus             corpus
	variants, statuses []variant
}

// Sized is the same kind with objects of another size. They are larger by annotations of a few hundred bytes, which
// every kind may have alike.
func (k *Kind) Sized(bytes int) (*Kind, error) {
	sized, err := k.corpus.render(bytes)
	if err != nil {
		return nil, err
	}
	sized.OldVersion = k.OldVersion
	return sized, nil
}

// InOldVersion is the kind in its old version: other objects of the same size, as a client writes them that knows no other
// version. They have no status, and no field to select by.
func (k *Kind) InOldVersion() (*Kind, error) {
	old, known := k.corpus.old[k.OldVersion]
	if !known {
		return nil, fmt.Errorf("could not make objects of %s in version %q: the corpus has none", k.Resource.Resource, k.OldVersion)
	}
	resource := k.Resource
	resource.Version = k.OldVersion
	return corpus{resource: resource, make: old}.render(k.Bytes)
}

// HasStatus is whether the kind has a status of its own to update.
func (k *Kind) HasStatus() bool { return len(k.statuses) > 0 }

// HasOldVersion is whether the objects can be read and written in another version.
func (k *Kind) HasOldVersion() bool { return k.OldVersion != "" }

// HasField is whether objects can be selected by a field of their spec.
func (k *Kind) HasField() bool { return k.Field != "" }

// Selects is whether the field selector matches the object of that number.
func (k *Kind) Selects(number int) bool { return k.variants[number%len(k.variants)].selected }

// variant is one object of a corpus: as JSON with gaps, and as the object that it was rendered from, if it has a type.
type variant struct {
	template
	object runtime.Object
	// setRevision writes the revision into the field that carries it.
	setRevision func(into runtime.Object, revision string)
	// selected is whether the kind's field selector matches.
	selected bool
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
	// Set is the value of a label, by which objects can be selected.
	Set string
}

// setLabel has the value of Object.Set.
const setLabel = "bench.duet.example.com/set"

// SetSelector is the label selector for the objects of a set.
func SetSelector(set string) string { return setLabel + "=" + set }

// revisionText has a fixed width, which keeps the object's size: updates must not grow what is read later.
func (o Object) revisionText() string {
	const width = 1_000_000
	return fmt.Sprint(width + o.Revision%width)
}

// Append adds the object in an encoding to a buffer and returns the buffer. JSON costs a copy; the binary encodings are
// encoded anew, which takes a few microseconds.
func (k *Kind) Append(to []byte, in Encoding, object Object) ([]byte, error) {
	return k.variants[object.Number%len(k.variants)].render(to, in, object)
}

// AppendStatus is Append for an update of the status: the object has one, which carries the revision instead of the
// spec. The kind must have a status.
func (k *Kind) AppendStatus(to []byte, in Encoding, object Object) ([]byte, error) {
	return k.statuses[object.Number%len(k.statuses)].render(to, in, object)
}

func (v variant) render(to []byte, in Encoding, object Object) ([]byte, error) {
	if in == JSON || in == "" {
		return v.append(to, object), nil
	}
	return v.encode(to, in, object)
}

// Size is that of the smallest object in an encoding, in bytes, with no more of its names than a letter: no answer that
// holds an object can be shorter.
func (k *Kind) Size(in Encoding) (int, error) {
	smallest := math.MaxInt
	for number := range k.variants {
		body, err := k.Append(nil, in, Object{Namespace: "a", Name: "a", ResourceVersion: "1", Number: number})
		if err != nil {
			return 0, err
		}
		smallest = min(smallest, len(body))
	}
	return smallest, nil
}
