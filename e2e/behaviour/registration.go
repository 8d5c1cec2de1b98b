package behaviour

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var registrationRows = []Row{
	{
		ID: "H3", Group: Operations, Title: "An edit of the APIService",
		Why: "kube-apiserver owns the registration of a custom resource and puts it back; an aggregated server's own is " +
			"its owner's, as long as it lacks one label.",
		Source: "kube-aggregator autoregister_controller.go; reports-server#42", Flag: Undocumented,
		Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD:        "label automanaged true, another version priority is put back",
			Aggregated: "no label automanaged, another version priority stays",
		},
		Probe: registrationEdited,
	},
	{
		ID: "H4", Group: Operations, Title: "Who owns the APIService",
		Why: "An installer cannot create what is there already, and has to force its way over fields of another manager: " +
			"Helm refuses to adopt it.",
		Source: "reports-server#42; kubernetes crdregistration_controller.go", Flag: Undocumented,
		Expect: Expectation{
			CRD:        "managed by kube-apiserver; create 409 AlreadyExists, apply 409 Conflict",
			Aggregated: "managed by duet-install; create 409 AlreadyExists, apply 409 Conflict",
		},
		Probe: registrationOwner,
	},
	{
		ID: "H16", Group: Operations, Title: "What the conformance test of the aggregation layer asks for",
		Why:    "It is what every certified cluster promises to any aggregated server.",
		Source: "kubernetes test/e2e/apimachinery/aggregator.go", Flag: Parity,
		Expect: Both("APIService Available True; create 201, get 200, list 200, watch ADDED, delete 200, " +
			"deletecollection 200"),
		Probe: conformance,
	},
}

// automanaged marks the APIServices that kube-apiserver makes for itself.
const automanaged = "kube-aggregator.kubernetes.io/automanaged"

func registrationEdited(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	registration, err := stored(there.get(ctx, registrationPath()))
	if err != nil {
		return Observation{}, err
	}
	const ours = 99
	before, _, _ := unstructured.NestedInt64(registration.Object, "spec", "versionPriority")
	edit := func(priority int64) error {
		_, err := stored(there.patch(ctx, registrationPath(),
			fmt.Sprintf(`{"spec":{"versionPriority":%d}}`, priority), wire.PatchType(types.MergePatchType)))
		return err
	}
	if err := edit(ours); err != nil {
		return Observation{}, err
	}
	putBack, err := holdsWithin(ctx, logPatience, func(ctx context.Context) (bool, error) {
		now, err := stored(there.get(ctx, registrationPath()))
		if err != nil {
			return false, err
		}
		priority, _, _ := unstructured.NestedInt64(now.Object, "spec", "versionPriority")
		return priority != ours, nil
	})
	if err != nil {
		return Observation{}, err
	}
	label, labelled := registration.GetLabels()[automanaged]
	return Observation{Summary: fmt.Sprintf("%s, another version priority %s",
		choose(labelled, "label automanaged "+label, "no label automanaged"),
		choose(putBack, "is put back", "stays"))}, edit(before)
}

func registrationOwner(ctx context.Context, s *Subject) (Observation, error) {
	registration, err := stored(s.get(ctx, registrationPath()))
	if err != nil {
		return Observation{}, err
	}
	var managers []string
	for _, entry := range registration.GetManagedFields() {
		if entry.Subresource == "" && strings.Contains(string(entry.FieldsV1.GetRawBytes()), `"f:versionPriority"`) {
			managers = append(managers, entry.Manager)
		}
	}
	slices.Sort(managers)
	own := map[string]any{
		"apiVersion": registration.GetAPIVersion(), "kind": registration.GetKind(),
		"metadata": map[string]any{"name": registration.GetName()},
		"spec": map[string]any{
			"group": fixture.Group, "version": fixture.V1, "groupPriorityMinimum": 1, "versionPriority": 1,
			"service": map[string]any{"namespace": s.Namespace, "name": "mine", "port": 1},
		},
	}
	collection, _, _ := strings.Cut(registrationPath(), "/"+registration.GetName())
	dryRun := wire.Query("dryRun", metav1.DryRunAll)
	created, err := s.post(ctx, collection, own, dryRun)
	if err != nil {
		return Observation{}, err
	}
	applied, err := s.patch(ctx, registrationPath(), own, dryRun, wire.PatchType(types.ApplyPatchType),
		wire.Query("fieldManager", "helm"))
	if err != nil {
		return Observation{}, err
	}
	// Which fields are in conflict is in the evidence.
	conflict, _, _ := strings.Cut(applied.Verdict(), ":")
	return observed("managed by %s; create %s, apply %s", strings.Join(managers, ", "), created.Verdict(), conflict)
}

func conformance(ctx context.Context, s *Subject) (Observation, error) {
	registration, err := stored(s.get(ctx, registrationPath()))
	if err != nil {
		return Observation{}, err
	}
	available := "no condition Available"
	conditions, _, _ := unstructured.NestedSlice(registration.Object, "status", "conditions")
	for _, condition := range conditions {
		if nested(condition, "type") == "Available" {
			available = fmt.Sprintf("Available %v", nested(condition, "status"))
		}
	}
	stream, err := s.client.Watch(ctx, s.path())
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	before, err := answers(ctx, s.client, []try{
		{title: "create", method: "POST", path: s.path(), body: fixture.Instance("db")},
		{title: "get", method: "GET", path: s.path("db")},
		{title: "list", method: "GET", path: s.path()},
	})
	if err != nil {
		return Observation{}, err
	}
	event, err := stream.Next()
	if err != nil {
		return Observation{}, err
	}
	after, err := answers(ctx, s.client, []try{
		{title: "delete", method: "DELETE", path: s.path("db")},
		{title: "deletecollection", method: "DELETE", path: s.path()},
	})
	return Observation{Summary: fmt.Sprintf("APIService %s; %s, watch %s, %s", available, before, event.Type, after)}, err
}
