package behaviour

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// storageVersionRows are about what is stored, and about what the versions that are not stored cost.
var storageVersionRows = []Row{
	{
		ID: "C4", Group: Versioning, Title: "Who remembers which versions are stored",
		Why:    "A version that is taken away while objects of it are stored makes them unreadable.",
		Source: "custom-resource-definition-versioning, Upgrade existing objects; apiextensions-apiserver pkg/apis/apiextensions/validation",
		Flag:   Documented, Needs: []install.Capability{install.MultipleVersions},
		Expect: Expectation{
			CRD:        "stored versions v1; taking v1 away 422 Invalid: status.storedVersions[0]",
			Aggregated: "nobody",
		},
		Probe: storedVersions,
	},
	{
		ID: "C13", Group: Versioning, Title: "A write in the old version that changes only what an annotation carries",
		Why: "Whoever waits for status.observedGeneration does not learn that the spec has changed, " +
			"if the generation does not say so.",
		Source: "found while building; apiextensions-apiserver compares the object in the version of the request",
		Flag:   Undocumented,
		Needs:  []install.Capability{install.MultipleVersions},
		Expect: Expectation{
			CRD:        "in v1 cpu goes from 750m to 800m, generation the same",
			Aggregated: "in v1 cpu goes from 750m to 800m, generation one more",
		},
		Probe: carriedChange,
	},
	{
		ID: "A51", Group: Machinery, Title: "The same quantity, written otherwise",
		Why:    "A tool that writes 10240Mi where another wrote 10Gi sets off a reconciliation, or is not even noticed.",
		Source: "apimachinery pkg/api/resource: a Quantity is written in its canonical form",
		Flag:   Undocumented,
		Expect: Expectation{
			CRD:        "created with 10240Mi: 10240Mi; 10Gi written over it: 10Gi, generation one more",
			Aggregated: "created with 10240Mi: 10Gi; 10Gi written over it: 10Gi, generation the same",
		},
		Probe: rewrittenQuantity,
	},
}

// definitionPath of the CustomResourceDefinition that would be the group's.
func definitionPath() string {
	return "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + fixture.GVR.GroupResource().String()
}

func storedVersions(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	answer, err := s.get(ctx, definitionPath())
	if err != nil {
		return Observation{}, err
	}
	if answer.Code == http.StatusNotFound {
		return observed("nobody") // neither an APIService nor a server keeps such a list
	}
	definition, err := answer.Object()
	if err != nil {
		return Observation{}, err
	}
	recorded, _, _ := unstructured.NestedStringSlice(definition.Object, "status", "storedVersions")
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if !slices.ContainsFunc(versions, func(version any) bool { return nested(version, "served") == true }) {
		return observed("nobody") // it was parked by a form that was here before, and remembers what that one stored
	}
	var left []any
	for _, version := range versions {
		if nested(version, "name") == fixture.V1 {
			continue
		}
		other := version.(map[string]any)
		other["storage"], other["served"] = true, true
		left = append(left, other)
	}
	if err := unstructured.SetNestedSlice(definition.Object, left, "spec", "versions"); err != nil {
		return Observation{}, fmt.Errorf("could not take a version away: %w", err)
	}
	refused, err := s.client.Send(ctx, "PUT", definitionPath(), definition, wire.Query("dryRun", metav1.DryRunAll))
	if err != nil {
		return Observation{}, err
	}
	return observed("stored versions %s; taking v1 away %s", strings.Join(recorded, ", "), refused.Verdict())
}

// generations says how the generation of an object went on.
func generations(before, after *unstructured.Unstructured) string {
	switch after.GetGeneration() - before.GetGeneration() {
	case 0:
		return "generation the same"
	case 1:
		return "generation one more"
	default:
		return fmt.Sprintf("generation %d after %d", after.GetGeneration(), before.GetGeneration())
	}
}

func carriedChange(ctx context.Context, s *Subject) (Observation, error) {
	before, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.resources.cpu", "750m")))
	if err != nil {
		return Observation{}, err
	}
	if _, err := stored(s.updateAlpha(ctx, func(object *unstructured.Unstructured) {
		annotations := object.GetAnnotations()
		for name, value := range annotations {
			annotations[name] = strings.Replace(value, "750m", "800m", 1)
		}
		object.SetAnnotations(annotations)
	})); err != nil {
		return Observation{}, err
	}
	after, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("in v1 cpu goes from %s to %s, %s", show(before, "spec", "resources", "cpu"),
		show(after, "spec", "resources", "cpu"), generations(before, after))
}

func rewrittenQuantity(ctx context.Context, s *Subject) (Observation, error) {
	before, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.storage.size", "10240Mi")))
	if err != nil {
		return Observation{}, err
	}
	after, err := stored(s.update(ctx, fixture.With("spec.storage.size", "10Gi")))
	if err != nil {
		return Observation{}, err
	}
	return observed("created with 10240Mi: %s; 10Gi written over it: %s, %s",
		show(before, "spec", "storage", "size"), show(after, "spec", "storage", "size"), generations(before, after))
}
