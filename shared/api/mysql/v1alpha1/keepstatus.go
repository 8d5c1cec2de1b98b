package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// KeepCarriedStatus makes obj carry the same parts of the v1 status as old. It is for updates that may not change a
// status. kube-apiserver keeps the status of such an update to a custom resource, but not its annotations: a client
// that leaves V1FieldsAnnotation out would erase the conditions, and one that writes it would forge them. A server
// that converts first and resets the status then, as the aggregated form does, has no need of it.
//
// It does not write to the annotations that obj came with. An error means that old could not be encoded, which JSON
// that was decoded can.
func KeepCarriedStatus(obj, old *MySQLInstance) error {
	carried := readLuggage(obj.Annotations[V1FieldsAnnotation]).in
	kept := map[string]json.RawMessage{}
	maps.Copy(kept, carried)
	maps.DeleteFunc(kept, isStatus)
	for path, value := range readLuggage(old.Annotations[V1FieldsAnnotation]).in {
		if isStatus(path, value) {
			kept[path] = value
		}
	}
	if maps.EqualFunc(kept, carried, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		return nil
	}
	annotations := maps.Clone(obj.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	delete(annotations, V1FieldsAnnotation)
	if len(kept) > 0 {
		raw, err := json.Marshal(kept)
		if err != nil {
			return fmt.Errorf("could not write annotation %s: %w", V1FieldsAnnotation, err)
		}
		annotations[V1FieldsAnnotation] = string(raw)
	}
	obj.Annotations = annotations
	return nil
}

func isStatus(path string, _ json.RawMessage) bool { return strings.HasPrefix(path, "status.") }
