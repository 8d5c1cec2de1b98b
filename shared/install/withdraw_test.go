package install

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestLowerEstablished(t *testing.T) {
	definition := func(established string) *unstructured.Unstructured {
		object := &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": Resource.GroupResource().String()},
			"spec":     map[string]any{"group": Group},
			"status": map[string]any{"conditions": []any{
				map[string]any{"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
				map[string]any{"type": "Established", "status": established, "lastTransitionTime": "2026-11-01T00:00:00Z"},
			}},
		}}
		object.SetGroupVersionKind(crdGVK)
		return object
	}
	for _, established := range []string{"True", "False"} {
		t.Run(established, func(t *testing.T) {
			before := definition(established)
			c := fake.NewClientBuilder().WithScheme(runtime.NewScheme()).WithObjects(before).WithStatusSubresource(before).Build()
			if err := lowerEstablished(t.Context(), c, before); err != nil {
				t.Fatal(err)
			}
			after := definition("")
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(before), after); err != nil {
				t.Fatal(err)
			}
			conditions, _, err := unstructured.NestedSlice(after.Object, "status", "conditions")
			if err != nil {
				t.Fatal(err)
			}
			want, _, _ := unstructured.NestedSlice(definition("False").Object, "status", "conditions")
			if diff := cmp.Diff(want[0], conditions[0]); diff != "" {
				t.Errorf("another condition (-before +after):\n%s", diff)
			}
			lowered, _ := conditions[1].(map[string]any)
			if lowered["status"] != "False" {
				t.Errorf("it is %v", lowered)
			}
			if changed := lowered["lastTransitionTime"] != "2026-11-01T00:00:00Z"; changed != (established == "True") {
				t.Errorf("it was %s, and has changed: %t", established, changed)
			}
			if diff := cmp.Diff(definition("").Object["spec"], after.Object["spec"]); diff != "" {
				t.Errorf("the specification (-before +after):\n%s", diff)
			}
		})
	}
	if err := lowerEstablished(t.Context(), fake.NewClientBuilder().WithScheme(runtime.NewScheme()).Build(), definition("True")); err == nil {
		t.Error("a CustomResourceDefinition that is not there is no error")
	}
}
