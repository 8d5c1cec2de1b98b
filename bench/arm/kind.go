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
	// variants are the objects of the corpus, ready to be filled in.
	variants []variant
}

// variant is one object of a corpus: as JSON with gaps, and as the object that it was rendered from, if it has a type.
type variant struct {
	template
	object runtime.Object
	// setRevision writes the revision into the field that carries it.
	setRevision func(into runtime.Object, revision string)
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

// revisionText has a fixed width, which keeps the object's size: updates must not grow what is read later.
func (o Object) revisionText() string {
	const width = 1_000_000
	return fmt.Sprint(width + o.Revision%width)
}

// Append adds the object in an encoding to a buffer and returns the buffer. JSON costs a copy; the binary encodings are
// encoded anew, which takes a few microseconds.
func (k *Kind) Append(to []byte, in Encoding, object Object) ([]byte, error) {
	chosen := k.variants[object.Number%len(k.variants)]
	if in == JSON || in == "" {
		return chosen.append(to, object), nil
	}
	return chosen.encode(to, in, object)
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
