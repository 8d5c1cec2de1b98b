package install

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// longAgo is when the definitions of these tests were established, or were found not to be.
const longAgo = "2026-01-01T00:00:00Z"

func definitionThatIs(established string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": Resource.GroupResource().String()},
		"spec":     map[string]any{"group": Group},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "NamesAccepted", "status": "True", "lastTransitionTime": longAgo},
			map[string]any{"type": "Established", "status": established, "lastTransitionTime": longAgo},
		}},
	}}
	object.SetGroupVersionKind(crdGVK)
	return object
}

func TestEstablished(t *testing.T) {
	since, err := Established(definitionThatIs("True"))
	if err != nil {
		t.Fatal(err)
	}
	if got := since.UTC().Format(time.RFC3339); got != longAgo {
		t.Errorf("it is since %s, want %s", got, longAgo)
	}
	for name, definition := range map[string]*unstructured.Unstructured{
		"not any more": definitionThatIs("False"), "no conditions": {Object: map[string]any{}},
	} {
		if _, err := Established(definition); !errors.Is(err, ErrNotEstablished) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// TestEstablishAnew looks at what kube-apiserver is told by: a write to one that is not established already must change it.
func TestEstablishAnew(t *testing.T) {
	for _, established := range []string{"True", "False"} {
		t.Run(established, func(t *testing.T) {
			before := definitionThatIs(established)
			c := fake.NewClientBuilder().WithScheme(runtime.NewScheme()).WithObjects(before).WithStatusSubresource(before).Build()
			if err := establishAnew(t.Context(), c, before); err != nil {
				t.Fatal(err)
			}
			after := before.DeepCopy()
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(before), after); err != nil {
				t.Fatal(err)
			}
			conditions, _, err := unstructured.NestedSlice(after.Object, "status", "conditions")
			if err != nil {
				t.Fatal(err)
			}
			accepted := map[string]any{"type": "NamesAccepted", "status": "True", "lastTransitionTime": longAgo}
			if diff := cmp.Diff(accepted, conditions[0]); diff != "" {
				t.Errorf("another condition (-before +after):\n%s", diff)
			}
			anew, _ := conditions[1].(map[string]any)
			if anew["status"] != "False" || anew["lastTransitionTime"] == longAgo {
				t.Errorf("it is %v", anew)
			}
			if diff := cmp.Diff(before.Object["spec"], after.Object["spec"]); diff != "" {
				t.Errorf("the specification (-before +after):\n%s", diff)
			}
		})
	}
	none := fake.NewClientBuilder().WithScheme(runtime.NewScheme()).Build()
	if err := establishAnew(t.Context(), none, definitionThatIs("True")); err == nil {
		t.Error("a CustomResourceDefinition that is not there is no error")
	}
}
