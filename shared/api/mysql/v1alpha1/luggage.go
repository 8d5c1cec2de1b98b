package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
)

const (
	// V1FieldsAnnotation is on v1alpha1 objects only. It is a JSON object from the path of a v1 field to the value that
	// v1alpha1 cannot say. See the package comment.
	V1FieldsAnnotation = "mysql.example.com/v1-fields"
	// V1alpha1FieldsAnnotation is on v1 objects only, and only on ones that validation refuses. It is a JSON object
	// from the name of a v1alpha1 spec field to the value that v1 cannot hold. See the package comment.
	V1alpha1FieldsAnnotation = "mysql.example.com/v1alpha1-fields"
)

// luggage is what one object carries through one conversion: in comes what an earlier conversion packed, out goes what
// the way back will need.
//
// +k8s:deepcopy-gen=false
// +k8s:openapi-gen=false
type luggage struct {
	in, out map[string]json.RawMessage
	err     error
}

// readLuggage takes an annotation that anybody may have written: what does not parse carries nothing.
func readLuggage(annotation string) *luggage {
	l := &luggage{}
	if annotation != "" && json.Unmarshal([]byte(annotation), &l.in) != nil {
		l.in = nil
	}
	return l
}

// take decodes a carried value, if there is one and it has the right type.
func take[T any](l *luggage, key string) (value T, ok bool) {
	raw, ok := l.in[key]
	if !ok {
		return value, false
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		var none T
		return none, false
	}
	return value, true
}

func keep[T any](l *luggage, key string, value T) {
	raw, err := json.Marshal(value)
	if err != nil {
		l.err = fmt.Errorf("could not keep %s for the way back: %w", key, err)
		return
	}
	if l.out == nil {
		l.out = map[string]json.RawMessage{}
	}
	l.out[key] = raw
}

// annotate returns annotations with what was kept under key, and with nothing else under the two keys that belong to
// conversion. The source's map may be in a watch cache: it is cloned before it is changed.
func (l *luggage) annotate(annotations map[string]string, key string) (map[string]string, error) {
	if l.err != nil {
		return nil, l.err
	}
	_, hasV1 := annotations[V1FieldsAnnotation]
	_, hasV1alpha1 := annotations[V1alpha1FieldsAnnotation]
	if !hasV1 && !hasV1alpha1 && len(l.out) == 0 {
		return annotations, nil
	}
	changed := maps.Clone(annotations)
	delete(changed, V1FieldsAnnotation)
	delete(changed, V1alpha1FieldsAnnotation)
	if len(l.out) > 0 {
		raw, err := json.Marshal(l.out)
		if err != nil {
			return nil, fmt.Errorf("could not write annotation %s: %w", key, err)
		}
		if changed == nil {
			changed = map[string]string{}
		}
		changed[key] = string(raw)
	}
	if len(changed) == 0 {
		return nil, nil
	}
	return changed, nil
}

// A pair is one value as v1 (V) and as v1alpha1 (A) say it, with the plain conversions between the two. Neither has to
// be exact: toV1 and fromV1 notice what would be lost, and carry it.
//
// A plain conversion that has to invent a value gives the one that defaulting would give, so that defaulting between
// the way there and the way back does not change the answer.
//
// +k8s:deepcopy-gen=false
// +k8s:openapi-gen=false
type pair[V, A any] struct {
	v1, v1alpha1 string // the path in v1, the field's name in v1alpha1's spec or status
	toV1         func(A) V
	fromV1       func(V) A
	sameV1       func(V, V) bool
	sameV1alpha1 func(A, A) bool
}

// toV1 converts to v1: the carried v1 value if it still means what v1alpha1 says, else the plain conversion.
func toV1[V, A any](l *luggage, p pair[V, A], from A) V {
	if carried, ok := take[V](l, p.v1); ok && p.sameV1alpha1(p.fromV1(carried), from) {
		return carried
	}
	plain := p.toV1(from)
	if !p.sameV1alpha1(p.fromV1(plain), from) {
		keep(l, p.v1alpha1, from)
	}
	return plain
}

// fromV1 is the mirror image of toV1.
func fromV1[V, A any](l *luggage, p pair[V, A], from V) A {
	if carried, ok := take[A](l, p.v1alpha1); ok && p.sameV1(p.toV1(carried), from) {
		return carried
	}
	plain := p.fromV1(from)
	if !p.sameV1(p.toV1(plain), from) {
		keep(l, p.v1, from)
	}
	return plain
}

// only is toV1 for a field that v1alpha1 does not have at all: nothing there can contradict what was carried.
func only[V any](l *luggage, path string) V {
	value, _ := take[V](l, path)
	return value
}

// keepOnly is fromV1 for a field that v1alpha1 does not have at all.
func keepOnly[V comparable](l *luggage, path string, value V) {
	var absent V
	if value != absent {
		keep(l, path, value)
	}
}

// keepAlone keeps a v1alpha1 value whose place in v1 does not exist.
func keepAlone(l *luggage, name string, value *int32) {
	if value != nil {
		keep(l, name, value)
	}
}
