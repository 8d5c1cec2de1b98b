package consistency

import (
	"bytes"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// protobufPrefix begins what Kubernetes stores as protobuf: an envelope with the kind, and the object in it.
var protobufPrefix = []byte("k8s\x00")

// Stored reads the value of a key of etcd: JSON, or the protobuf envelope of Kubernetes. The revision is that of the
// key, since stored objects do not have one. A value that is encrypted at rest cannot be read.
func (r Reader) Stored(value []byte, revision int64) (State, error) {
	state, err := r.stored(value)
	state.Revision = revision
	return state, err
}

func (r Reader) stored(value []byte) (State, error) {
	if bytes.HasPrefix(value, []byte("{")) {
		return r.Parse(value)
	}
	envelope, ok := bytes.CutPrefix(value, protobufPrefix)
	if !ok {
		return State{}, fmt.Errorf("could not read a stored value that begins with %.12q: "+
			"it is neither JSON nor protobuf; the oracle needs a store that does not encrypt", value)
	}
	if r.Decoder != nil {
		decoded, kind, err := r.Decoder.Decode(value, nil, nil)
		switch {
		case runtime.IsNotRegisteredError(err):
		case err != nil:
			return State{}, fmt.Errorf("could not read a stored object through its Go type: %w", err)
		default:
			object, err := untyped(decoded)
			if err != nil {
				return State{}, err
			}
			object["apiVersion"] = kind.GroupVersion().String()
			return r.state(object)
		}
	}
	return r.envelope(envelope)
}

// envelope reads what every kind has: its metadata, which by convention is the first field of the message. The other
// fields are skipped, so that the digests stay unknown.
func (r Reader) envelope(content []byte) (State, error) {
	unknown := &runtime.Unknown{}
	if err := unknown.Unmarshal(content); err != nil {
		return State{}, fmt.Errorf("could not read the protobuf envelope of a stored object: %w", err)
	}
	partial := &metav1.PartialObjectMetadata{}
	if err := partial.Unmarshal(unknown.Raw); err != nil {
		return State{}, fmt.Errorf("could not read the metadata of a stored %s: %w", unknown.Kind, err)
	}
	state, err := r.identity(&partial.ObjectMeta)
	state.APIVersion = unknown.APIVersion
	return state, err
}
