package behaviour

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

var subresourceRows = []Row{
	{
		ID: "D1", Group: Subresource, Title: "Status is separate",
		Why:    "Users must not be able to write what only the controller knows, nor the controller what users want.",
		Source: "custom-resource-definitions, Status subresource; the strategy's work in an aggregated server",
		Flag:   Parity,
		Expect: Both("status at creation: dropped; through the object: dropped; through /status: written; " +
			"spec through /status: dropped"),
		Probe: statusIsolation,
	},
	{
		ID: "D2", Group: Subresource, Title: "Metadata through /status",
		Why:    "Controllers that put labels on in a status update find them gone, on some kinds.",
		Source: "apiextensions-apiserver pkg/registry/customresource/status_strategy.go; kubernetes#137689",
		Flag:   Parity,
		Expect: Both("annotation dropped, label dropped, finalizer dropped"),
		Probe:  metadataThroughStatus,
	},
	{
		ID: "D3", Group: Subresource, Title: "metadata.generation",
		Why: "Controllers compare it with observedGeneration to know whether they have seen a change, " +
			"and skip what does not raise it.",
		Source: "apiserver pkg/registry/rest/update.go: nothing happens unless the strategy does it", Flag: Parity,
		Expect: Both("1 on create, 1 on a label, 1 on status, 2 on spec, 2 on the same spec again, 2 if the client says 9"),
		Probe:  generation,
	},
	{
		ID: "D4", Group: Subresource, Title: "Scale",
		Why:    "Autoscalers and `kubectl scale` know nothing of a kind but this.",
		Source: "custom-resource-definitions, Scale subresource", Flag: Parity,
		Expect: Both("get: Scale of 1; update to 3 200, spec.replicas 3, generation 2; patch to 4 200; " +
			"99 422 Invalid: spec.replicas; selector app=db after it is in the status"),
		Probe: scale,
	},
	{
		ID: "D12", Group: Subresource, Title: "Scale in a version without it",
		Why:    "A subresource belongs to a version, so a client of the old one gets a clear answer.",
		Source: "custom-resource-definitions: subresources are listed per version", Flag: Parity,
		Needs:  []install.Capability{install.MultipleVersions},
		Expect: Both("404 NotFound"),
		Probe: func(ctx context.Context, s *Subject) (Observation, error) {
			if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
				return Observation{}, err
			}
			answer, err := s.get(ctx, s.alpha("db", "scale"))
			return Observation{Summary: verdictOf(answer)}, err
		},
	},
	{
		ID: "D13", Group: Subresource, Title: "Who wrote the status",
		Why:    "managedFields tell a user's fields from a controller's, even when one client writes both.",
		Source: "server-side-apply, Field management", Flag: Parity,
		Expect: Both("applied 200, agent Apply of status owns currentVersion; the object's applier does not take it"),
		Probe:  statusOwnership,
	},
}

func statusIsolation(ctx context.Context, s *Subject) (Observation, error) {
	// The primary's name is one the controller would never write.
	const spoofed = "nobody-0"
	written := func(o *unstructured.Unstructured) string {
		return choose(show(o, "status", "primary") == spoofed, "written", "dropped")
	}
	created, err := s.create(ctx, fixture.Instance("db", fixture.With("status.primary", spoofed),
		fixture.With("status.replicas", 0), fixture.With("status.readyReplicas", 0)))
	if err != nil {
		return Observation{}, err
	}
	status := fmt.Sprintf(`{"spec":{"replicas":3},"status":{"primary":%q,"replicas":0,"readyReplicas":0}}`, spoofed)
	through, err := stored(s.patch(ctx, s.path("db"), status, wire.PatchType(types.MergePatchType)))
	if err != nil {
		return Observation{}, err
	}
	status = strings.Replace(status, "3", "5", 1)
	direct, err := stored(s.patch(ctx, s.path("db", "status"), status, wire.PatchType(types.MergePatchType)))
	if err != nil {
		return Observation{}, err
	}
	return observed("status at creation: %s; through the object: %s; through /status: %s; spec through /status: %s",
		written(created), written(through), written(direct),
		choose(show(direct, "spec", "replicas") == "3", "dropped", "written"))
}

func metadataThroughStatus(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	s.afterwards(s.release)
	object, err := stored(s.patch(ctx, s.path("db", "status"), `[
		{"op":"add","path":"/metadata/annotations","value":{"note":"x"}},
		{"op":"add","path":"/metadata/labels","value":{"tier":"x"}},
		{"op":"add","path":"/metadata/finalizers","value":["duet.example.com/x"]},
		{"op":"add","path":"/status","value":{"primary":"nobody-0","replicas":0,"readyReplicas":0}}
	]`, wire.PatchType(types.JSONPatchType)))
	if err != nil {
		return Observation{}, err
	}
	finalizers := strings.Join(object.GetFinalizers(), " ")
	return observed("annotation %s, label %s, finalizer %s",
		choose(object.GetAnnotations()["note"] == "", "dropped", "written"),
		choose(object.GetLabels()["tier"] == "", "dropped", "written"),
		choose(!strings.Contains(finalizers, "duet.example.com/x"), "dropped", "written"))
}

func generation(ctx context.Context, s *Subject) (Observation, error) {
	created, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	seen := []string{fmt.Sprintf("%d on create", created.GetGeneration())}
	for _, change := range []struct{ title, path, patch string }{
		{"on a label", s.path("db"), `{"metadata":{"labels":{"tier":"x"}}}`},
		{"on status", s.path("db", "status"), `{"status":{"primary":"nobody-0","replicas":0,"readyReplicas":0}}`},
		{"on spec", s.path("db"), `{"spec":{"replicas":3}}`},
		{"on the same spec again", s.path("db"), `{"spec":{"replicas":3}}`},
		{"if the client says 9", s.path("db"), `{"metadata":{"generation":9}}`},
	} {
		object, err := stored(s.patch(ctx, change.path, change.patch, wire.PatchType(types.MergePatchType)))
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, fmt.Sprintf("%d %s", object.GetGeneration(), change.title))
	}
	return observed("%s", strings.Join(seen, ", "))
}

func scale(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	path := s.path("db", "scale")
	got, err := stored(s.get(ctx, path))
	if err != nil {
		return Observation{}, err
	}
	var updated *wire.Answer
	err = eventually(ctx, "a scale update without a conflict", func(ctx context.Context) (bool, error) {
		current, err := stored(s.get(ctx, path))
		if err != nil {
			return false, err
		}
		fixture.With("spec.replicas", 3)(current)
		updated, err = s.put(ctx, path, current)
		return err == nil && updated.Code != 409, err
	})
	if err != nil {
		return Observation{}, err
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	patched, err := s.patch(ctx, path, `{"spec":{"replicas":4}}`, wire.PatchType(types.MergePatchType))
	if err != nil {
		return Observation{}, err
	}
	refused, err := s.patch(ctx, path, `{"spec":{"replicas":99}}`, wire.PatchType(types.MergePatchType))
	if err != nil {
		return Observation{}, err
	}
	selector := ""
	err = eventually(ctx, "the selector in the scale", func(ctx context.Context) (bool, error) {
		// Written again until it is seen, since the controller writes the selector as well.
		_, err := stored(s.patch(ctx, s.path("db", "status"),
			`{"status":{"selector":"app=db","replicas":1,"readyReplicas":1}}`, wire.PatchType(types.MergePatchType)))
		if err != nil {
			return false, err
		}
		scale, err := stored(s.get(ctx, path))
		if err != nil {
			return false, err
		}
		selector = show(scale, "status", "selector")
		return selector == "app=db", nil
	})
	if err != nil {
		return Observation{}, err
	}
	return observed("get: %s of %s; update to 3 %s, spec.replicas %s, generation %d; patch to 4 %s; 99 %s; "+
		"selector %s after it is in the status", got.GetKind(), show(got, "spec", "replicas"), updated.Verdict(),
		show(object, "spec", "replicas"), object.GetGeneration(), patched.Verdict(), refused.Verdict(), selector)
}

func statusOwnership(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := stored(s.apply(ctx, "owner", fixture.Instance("db"))); err != nil {
		return Observation{}, err
	}
	status := fixture.Instance("db", fixture.Without("spec"), fixture.With("status.currentVersion", "8.4.3"),
		fixture.With("status.replicas", 0), fixture.With("status.readyReplicas", 0))
	applied, err := s.patch(ctx, s.path("db", "status"), status, wire.PatchType(types.ApplyPatchType),
		wire.Query("fieldManager", "agent"), wire.Query("force", "true"))
	if err != nil {
		return Observation{}, err
	}
	fixture.With("status.currentVersion", "9.9.9")(status)
	attempt := fixture.Instance("db", fixture.With("status", status.Object["status"]))
	object, err := stored(s.apply(ctx, "owner", attempt))
	if err != nil {
		return Observation{}, err
	}
	agent, taken := "nobody", "does not take it"
	for _, entry := range object.GetManagedFields() {
		fields := entry.FieldsV1.GetRawString()
		owns := strings.Contains(fields, `"f:currentVersion"`)
		if entry.Manager == "agent" && owns {
			agent = fmt.Sprintf("agent %s of %s owns currentVersion", entry.Operation, entry.Subresource)
		}
		if entry.Manager == "owner" && owns {
			taken = "takes it"
		}
	}
	return observed("applied %s, %s; the object's applier %s", applied.Verdict(), agent, taken)
}
