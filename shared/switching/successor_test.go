package switching

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// served is an object as a server has it, at a generation, of which the last but lag was observed.
func served(uid string, generation, observed int64, edits ...func(metadata map[string]any)) *unstructured.Unstructured {
	object := instance(map[string]any{"status": map[string]any{
		"phase": "Ready", "observedGeneration": observed,
		"conditions": []any{map[string]any{"type": "Ready", "status": "True", "observedGeneration": observed}},
	}})
	metadata := map[string]any{
		"name": "db", "namespace": "a", "uid": uid, "resourceVersion": "7", "generation": generation,
		"creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": []any{map[string]any{"manager": "kubectl"}},
		"labels": map[string]any{"app": "shop"}, "annotations": map[string]any{"note": "mine"},
		"finalizers":      []any{"example.com/held"},
		"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "o"}},
	}
	for _, edit := range edits {
		edit(metadata)
	}
	object.Object["metadata"] = metadata
	return object
}

// fromOld says that an object was made from the one that has the UID "old".
func fromOld(metadata map[string]any) {
	metadata["annotations"] = map[string]any{"note": "mine", v1.AnnotationPreviousUID: "old"}
}

func TestSuccessor(t *testing.T) {
	original := served("old", 5, 5)
	want := map[string]any{
		"name": "db", "namespace": "a", "labels": map[string]any{"app": "shop"},
		"annotations":     map[string]any{"note": "mine", v1.AnnotationPreviousUID: "old"},
		"finalizers":      []any{"example.com/held"},
		"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "o"}},
	}
	got := successor(original)
	if diff := cmp.Diff(want, got.Object["metadata"]); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(original.Object["spec"], got.Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if _, there := got.Object["status"]; there {
		t.Error("it has a status, which a create does not take")
	}
	if diff := cmp.Diff(served("old", 5, 5).Object, original.Object); diff != "" {
		t.Errorf("the original has changed (-want +got):\n%s", diff)
	}
}

func TestStatusFor(t *testing.T) {
	for name, test := range map[string]struct {
		observed, want int64
	}{
		"the newest was observed": {observed: 5, want: 1},
		"an older one":            {observed: 4, want: 0},
		"a very old one":          {observed: 1, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			status := statusFor(served("new", 1, 0), served("old", 5, test.observed))
			want := served("old", 5, test.want).Object["status"]
			if diff := cmp.Diff(want, any(status)); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
	if status := statusFor(served("new", 1, 0), instance(nil)); status != nil {
		t.Errorf("an object without a status gets %v", status)
	}
}

func TestUnmoved(t *testing.T) {
	for name, test := range map[string]struct {
		there map[string]*unstructured.Unstructured
		want  []string
		// What an import that begins anew takes away, and makes, if it has to be after a revision.
		after                    int64
		wantSurplus, wantMissing []string
	}{
		"as it was": {there: map[string]*unstructured.Unstructured{"a/db": served("new", 1, 1, fromOld)}},
		"as it was, but too old": {
			there:       map[string]*unstructured.Unstructured{"a/db": served("new", 1, 1, fromOld)},
			after:       7,
			wantSurplus: []string{"a/db"}, wantMissing: []string{"a/db"},
		},
		"nothing": {
			want: []string{"a/db is not there"}, wantMissing: []string{"a/db"},
		},
		"an old copy": {
			there:       map[string]*unstructured.Unstructured{"a/db": served("older", 5, 5)},
			want:        []string{"a/db was not made from the one that there is"},
			wantSurplus: []string{"a/db"}, wantMissing: []string{"a/db"},
		},
		"one that was made, and got no status": {
			there:       map[string]*unstructured.Unstructured{"a/db": served("new", 1, 0, fromOld)},
			want:        []string{"a/db differs in .status.conditions[0].observedGeneration", "a/db differs in .status.observedGeneration"},
			wantSurplus: []string{"a/db"}, wantMissing: []string{"a/db"},
		},
		"one that is being deleted": {
			there: map[string]*unstructured.Unstructured{"a/db": served("new", 1, 1, fromOld, func(metadata map[string]any) {
				metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
			})},
			want:        []string{"a/db was not made from the one that there is"},
			wantSurplus: []string{"a/db"}, wantMissing: []string{"a/db"},
		},
		"one with a label more, and a finalizer less": {
			there: map[string]*unstructured.Unstructured{"a/db": served("new", 1, 1, fromOld, func(metadata map[string]any) {
				metadata["labels"], metadata["finalizers"] = map[string]any{"app": "shop", "more": "yes"}, nil
			})},
			want:        []string{"a/db differs in .metadata.finalizers", "a/db differs in .metadata.labels.more (added)"},
			wantSurplus: []string{"a/db"}, wantMissing: []string{"a/db"},
		},
		"one too many": {
			there: map[string]*unstructured.Unstructured{
				"a/db": served("new", 1, 1, fromOld), "a/other": served("new", 1, 1),
			},
			want: []string{"a/other is one too many"}, wantSurplus: []string{"a/other"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			originals := map[string]*unstructured.Unstructured{"a/db": served("old", 5, 5)}
			if diff := cmp.Diff(test.want, unmoved(originals, test.there)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
			surplus, missing := plan(originals, test.there, test.after)
			if diff := cmp.Diff([][]string{test.wantSurplus, test.wantMissing}, [][]string{surplus, missing}); diff != "" {
				t.Errorf("surplus and missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAddImportVersion(t *testing.T) {
	definition := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"versions": []any{
		map[string]any{"name": "v1alpha1", "served": false, "storage": false},
		map[string]any{"name": "v1", "served": false, "storage": true, "schema": "of v1"},
	}}}}
	if err := addImportVersion(definition); err != nil {
		t.Fatal(err)
	}
	want := []any{
		map[string]any{"name": "v1alpha1", "served": false, "storage": false},
		map[string]any{"name": "v1", "served": false, "storage": true, "schema": "of v1"},
		map[string]any{"name": "import", "served": true, "storage": false, "schema": "of v1"},
	}
	got, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if err := addImportVersion(&unstructured.Unstructured{Object: map[string]any{}}); err == nil {
		t.Error("a definition without the version can be imported to")
	}
}
