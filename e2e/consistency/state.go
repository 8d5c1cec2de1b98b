package consistency

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
)

// Object names one object of the collection under test. The name is empty where a whole collection is meant, and then
// an empty namespace means all of them.
type Object struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

// String is the object as people write it.
func (o Object) String() string { return o.Namespace + "/" + o.Name }

// State is one object at one resourceVersion, as far as it is compared. Two states are the same if they are equal.
//
// The digests leave out what servers may encode in different ways: explicit nulls and empty maps and lists. One that is
// empty was not known, and is not compared. Of managedFields there is who manages something, and not what.
type State struct {
	Object     Object `json:"object"`
	APIVersion string `json:"apiVersion,omitempty"`
	UID        string `json:"uid,omitempty"`
	CreatedAt  string `json:"createdAt,omitempty"` // creationTimestamp, RFC 3339
	Revision   int64  `json:"revision,omitempty"`  // resourceVersion
	Generation int64  `json:"generation,omitempty"`
	// Token of the last write to the object, and StatusToken of the last one to its status.
	Token       string `json:"token,omitempty"`
	StatusToken string `json:"statusToken,omitempty"`
	// OriginalUID is what a move that cannot keep UIDs left in an annotation, if a Reader was told which.
	OriginalUID string `json:"originalUID,omitempty"`
	Labels      string `json:"labels,omitempty"`     // sorted: a=b,c=d
	Finalizers  string `json:"finalizers,omitempty"` // in their order: a,b
	Owners      string `json:"owners,omitempty"`     // digest of the owner references
	Managers    string `json:"managers,omitempty"`   // of fields, sorted: manager/operation[/subresource]
	Deleting    bool   `json:"deleting,omitempty"`   // deletionTimestamp is set
	Spec        string `json:"spec,omitempty"`       // digest of everything but metadata and status
	Status      string `json:"status,omitempty"`     // digest
}

// Reader turns objects, as servers send or store them, into states.
type Reader struct {
	// Decoder, if set, reads what is sent and stored through the Go types of its scheme, in the version it is in. Two
	// servers that write the same value in two ways (10240Mi, 10Gi) are then the same, and objects stored as protobuf
	// have a spec and a status. Without one only their metadata is read.
	Decoder runtime.Decoder
	// StatusToken finds the token of the last write to the status. Without one, writes to the status have none.
	StatusToken func(object map[string]any) string
	// OriginalUID is the annotation in which a move leaves the UID that an object had before. Without one, a new UID is
	// always a violation.
	OriginalUID string
}

// TokenAnnotation carries the token of the last write to an object.
const TokenAnnotation = "duet.example.com/consistency-token"

// ConditionToken finds the token of a write to the status in the message of a condition.
func ConditionToken(conditionType string) func(map[string]any) string {
	return func(object map[string]any) string {
		conditions, _, _ := unstructured.NestedSlice(object, "status", "conditions")
		for _, item := range conditions {
			if condition, ok := item.(map[string]any); ok && condition["type"] == conditionType {
				message, _ := condition["message"].(string)
				return message
			}
		}
		return ""
	}
}

// Parse reads an object that came in JSON.
func (r Reader) Parse(content []byte) (State, error) {
	object := map[string]any{}
	if err := json.Unmarshal(content, &object); err != nil {
		return State{}, fmt.Errorf("could not read an object: %w", err)
	}
	return r.State(object)
}

// State reads an object. One whose kind the Decoder does not know is read as it is.
func (r Reader) State(object map[string]any) (State, error) {
	typed, err := r.typed(object)
	if err != nil {
		return State{}, err
	}
	return r.state(typed)
}

// typed is an object as its Go type writes it.
func (r Reader) typed(object map[string]any) (map[string]any, error) {
	if r.Decoder == nil {
		return object, nil
	}
	content, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("could not write an object as JSON: %w", err)
	}
	decoded, _, err := r.Decoder.Decode(content, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return object, nil
	}
	if err != nil {
		return nil, fmt.Errorf("could not read an object through its Go type: %w", err)
	}
	return untyped(decoded)
}

// untyped is an object that was decoded into its Go type. Decoders may leave the kind out; states do not have it.
func untyped(decoded runtime.Object) (map[string]any, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(decoded)
	if err != nil {
		return nil, fmt.Errorf("could not read the fields of an object: %w", err)
	}
	return object, nil
}

func (r Reader) state(object map[string]any) (State, error) {
	meta := &metav1.ObjectMeta{}
	fields, _ := object["metadata"].(map[string]any)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, meta); err != nil {
		return State{}, fmt.Errorf("could not read the metadata of an object: %w", err)
	}
	state, err := r.identity(meta)
	if err != nil {
		return State{}, err
	}
	state.APIVersion, _ = object["apiVersion"].(string)
	content := maps.Clone(object)
	for _, other := range []string{"metadata", "status", "apiVersion", "kind"} {
		delete(content, other)
	}
	state.Spec, state.Status = digest(content), digest(object["status"])
	if r.StatusToken != nil {
		state.StatusToken = r.StatusToken(object)
	}
	return state, nil
}

// identity is the part of a state that is in the metadata.
func (r Reader) identity(meta *metav1.ObjectMeta) (State, error) {
	revision, err := parseRevision(meta.ResourceVersion)
	if err != nil {
		return State{}, err
	}
	state := State{
		Object:   Object{Namespace: meta.Namespace, Name: meta.Name},
		UID:      string(meta.UID),
		Revision: revision, Generation: meta.Generation,
		Token:      meta.Annotations[TokenAnnotation],
		Labels:     labelString(meta.Labels),
		Finalizers: strings.Join(meta.Finalizers, ","),
		Managers:   managerString(meta.ManagedFields),
		Deleting:   meta.DeletionTimestamp != nil,
	}
	if !meta.CreationTimestamp.IsZero() {
		state.CreatedAt = meta.CreationTimestamp.UTC().Format("2006-01-02T15:04:05Z")
	}
	if r.OriginalUID != "" {
		state.OriginalUID = meta.Annotations[r.OriginalUID]
	}
	if len(meta.OwnerReferences) > 0 {
		state.Owners = digest(meta.OwnerReferences)
	}
	return state, nil
}

// parseRevision reads a resourceVersion. None is 0.
func parseRevision(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	revision, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("could not read the resourceVersion %q as a number: %w", text, err)
	}
	return revision, nil
}

func labelString(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	return strings.Join(pairs, ",")
}

// managerString says who manages fields, and in which way.
func managerString(entries []metav1.ManagedFieldsEntry) string {
	managers := make([]string, 0, len(entries))
	for _, entry := range entries {
		manager := entry.Manager + "/" + string(entry.Operation)
		if entry.Subresource != "" {
			manager += "/" + entry.Subresource
		}
		managers = append(managers, manager)
	}
	slices.Sort(managers)
	return strings.Join(managers, ",")
}

// digest of a part of an object. Parts that servers write or leave out as they like count for nothing.
func digest(value any) string {
	content, err := json.Marshal(pruned(value))
	if err != nil {
		// What came from JSON can be written as JSON.
		panic(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// pruned is a copy without nulls and empty maps and lists.
func pruned(value any) any {
	switch value := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for key, item := range value {
			if item = pruned(item); item != nil {
				kept[key] = item
			}
		}
		if len(kept) > 0 {
			return kept
		}
		return nil
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = pruned(item)
		}
		if len(items) > 0 {
			return items
		}
		return nil
	default:
		return value
	}
}
