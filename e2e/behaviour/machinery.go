package behaviour

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var machineryRows = []Row{
	{
		ID: "A1", Group: Machinery, Title: "Create, read, update, patch, delete",
		Why:    "It is what every client and every controller builds on.",
		Source: "custom-resources, Common features", Flag: Parity,
		Expect: Both("JSON 201, YAML 201, get 200, update 200, patch 200, delete 200, then 404 NotFound"),
		Probe:  crud,
	},
	{
		ID: "A21", Group: Machinery, Title: "Dry run",
		Why:    "A dry run that writes is worse than none, because people run it to be safe.",
		Source: "api-concepts, Dry-run", Flag: Parity,
		Expect: Both("create 201 and not stored, update 200 and not stored, delete 200 and still there"),
		Probe:  dryRun,
	},
	{
		ID: "A27", Group: Machinery, Title: "PUT without metadata.resourceVersion",
		Why:    "Accepted, it overwrites what somebody else wrote a moment ago.",
		Source: "apiextensions-apiserver pkg/registry/customresource/strategy.go; an aggregated API may choose",
		Flag:   Parity,
		Expect: Both("422 Invalid: metadata.resourceVersion"),
		Probe:  putWithoutResourceVersion,
	},
	{
		ID: "A28", Group: Machinery, Title: "PUT to a name that does not exist",
		Why:    "Some APIs create the object, and then a late retry brings a deleted object back.",
		Source: "apiextensions-apiserver pkg/registry/customresource/strategy.go; an aggregated API may choose",
		Flag:   Parity,
		Expect: Both("404 NotFound"),
		Probe:  putMissing,
	},
	{
		ID: "A29", Group: Machinery, Title: "Delete a collection by label",
		Why:    "Test suites and operators clean up with one request, and it must take no more than was selected.",
		Source: "api-concepts, Collections", Flag: Parity,
		Expect: Both("200, left: keep"),
		Probe:  deleteCollection,
	},
	{
		ID: "A30", Group: Machinery, Title: "generateName",
		Why:    "Jobs and tests create many objects from one manifest and rely on fresh names.",
		Source: "api-concepts, Generated names", Flag: Parity,
		Expect: Both("201 with the prefix and 5 more characters, 20 of 20 names differ"),
		Probe:  generateName,
	},
	{
		ID: "A31", Group: Machinery, Title: "Object names",
		Why: "A name that is no DNS subdomain cannot become the name of a Service or a Pod, " +
			"and the mistake shows only there.",
		Source: "custom-resources, Instance Name; apiserver pkg/registry/rest/create.go validates path segments only",
		Flag:   Parity,
		Expect: Both("My_DB:1 422 Invalid: metadata.name; 254 characters 422 Invalid: metadata.name; a.b-1 201"),
		Probe:  objectNames,
	},
	{
		ID: "A46", Group: Machinery, Title: "PUT with a stale resourceVersion",
		Why:    "Optimistic locking is all that keeps two controllers from undoing each other.",
		Source: "api-concepts, Resource versions", Flag: Parity,
		Expect: Both("409 Conflict, the first write is kept"),
		Probe:  stalePut,
	},
	{
		ID: "A47", Group: Machinery, Title: "DELETE with preconditions",
		Why:    "A controller must not delete the successor of the object it meant.",
		Source: "api-concepts, Resource deletion", Flag: Parity,
		Expect: Both("other uid 409 Conflict, old resourceVersion 409 Conflict, right uid 200"),
		Probe:  deletePreconditions,
	},
}

func crud(ctx context.Context, s *Subject) (Observation, error) {
	created, err := s.post(ctx, s.path(), fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	manifest := fmt.Sprintf("apiVersion: %s/%s\nkind: %s\nmetadata:\n  name: from-yaml\n"+
		"spec:\n  version: 8.4.3\n  storage:\n    size: 1Gi\n", fixture.Group, fixture.V1, fixture.Kind)
	yaml, err := s.post(ctx, s.path(), manifest, wire.ContentType("application/yaml"))
	if err != nil {
		return Observation{}, err
	}
	got, err := s.get(ctx, s.path("db"))
	if err != nil {
		return Observation{}, err
	}
	updated, err := s.update(ctx, fixture.With("spec.replicas", 3))
	if err != nil {
		return Observation{}, err
	}
	patched, err := s.patch(ctx, s.path("db"), `{"spec":{"replicas":5}}`, wire.PatchType(types.MergePatchType))
	if err != nil {
		return Observation{}, err
	}
	deleted, err := s.delete(ctx, s.path("db"), nil)
	if err != nil {
		return Observation{}, err
	}
	gone, err := s.awaitGone(ctx, "db")
	if err != nil {
		return Observation{}, err
	}
	return observed("JSON %s, YAML %s, get %s, update %s, patch %s, delete %s, then %s", created.Verdict(),
		yaml.Verdict(), got.Verdict(), updated.Verdict(), patched.Verdict(), deleted.Verdict(), gone.Verdict())
}

// update reads the instance db, changes it and puts it back. It tries again if something else wrote in between, as every
// client must: the controller is at work on the same objects.
func (s *Subject) update(ctx context.Context, edits ...fixture.Edit) (*wire.Answer, error) {
	var answer *wire.Answer
	err := eventually(ctx, "an update without a conflict", func(ctx context.Context) (bool, error) {
		object, err := s.read(ctx)
		if err != nil {
			return false, err
		}
		for _, edit := range edits {
			edit(object)
		}
		answer, err = s.put(ctx, s.path("db"), object)
		return err == nil && answer.Code != 409, err
	})
	return answer, err
}

// awaitGone waits until an object that is being deleted is gone, and returns the answer that says so.
func (s *Subject) awaitGone(ctx context.Context, name string) (*wire.Answer, error) {
	var answer *wire.Answer
	err := eventually(ctx, name+" go", func(ctx context.Context) (bool, error) {
		var err error
		answer, err = s.get(ctx, s.path(name))
		return err == nil && !answer.OK(), err
	})
	return answer, err
}

func dryRun(ctx context.Context, s *Subject) (Observation, error) {
	all := wire.Query("dryRun", metav1.DryRunAll)
	created, err := s.post(ctx, s.path(), fixture.Instance("dry"), all)
	if err != nil {
		return Observation{}, err
	}
	absent, err := s.get(ctx, s.path("dry"))
	if err != nil {
		return Observation{}, err
	}
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	updated, err := s.patch(ctx, s.path("db"), `{"spec":{"replicas":3}}`, wire.PatchType(types.MergePatchType), all)
	if err != nil {
		return Observation{}, err
	}
	unchanged, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	deleted, err := s.delete(ctx, s.path("db"), nil, all)
	if err != nil {
		return Observation{}, err
	}
	present, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	replicas, _, _ := unstructured.NestedInt64(unchanged.Object, "spec", "replicas")
	return observed("create %s and %s, update %s and %s, delete %s and %s",
		created.Verdict(), choose(absent.Code == 404, "not stored", "stored"),
		updated.Verdict(), choose(replicas == 1, "not stored", "stored"),
		deleted.Verdict(), choose(present.GetDeletionTimestamp() == nil, "still there", "being deleted"))
}

func choose(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

func putWithoutResourceVersion(ctx context.Context, s *Subject) (Observation, error) {
	object, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	object.SetResourceVersion("")
	answer, err := s.put(ctx, s.path("db"), object)
	if err != nil {
		return Observation{}, err
	}
	return observed("%s", answer.Verdict())
}

func putMissing(ctx context.Context, s *Subject) (Observation, error) {
	// Where nothing at all is served, everything is missing.
	if _, err := s.create(ctx, fixture.Instance("beside")); err != nil {
		return Observation{}, err
	}
	answer, err := s.put(ctx, s.path("missing"),
		fixture.Instance("missing", fixture.With("metadata.resourceVersion", "1")))
	if err != nil {
		return Observation{}, err
	}
	return observed("%s", answer.Verdict())
}

func deleteCollection(ctx context.Context, s *Subject) (Observation, error) {
	for name, tier := range map[string]string{"drop-1": "dev", "drop-2": "dev", "keep": "prod"} {
		if _, err := s.create(ctx, fixture.Instance(name, fixture.With("metadata.labels.tier", tier))); err != nil {
			return Observation{}, err
		}
	}
	answer, err := s.delete(ctx, s.path(), nil, wire.Query("labelSelector", "tier=dev"))
	if err != nil {
		return Observation{}, err
	}
	for _, name := range []string{"drop-1", "drop-2"} {
		if _, err := s.awaitGone(ctx, name); err != nil {
			return Observation{}, err
		}
	}
	left, err := s.names(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("%s, left: %s", answer.Verdict(), left)
}

func generateName(ctx context.Context, s *Subject) (Observation, error) {
	const prefix, wanted = "team-", 20
	names := map[string]bool{}
	shape := "the prefix and 5 more characters"
	for range wanted {
		object, err := s.create(ctx, fixture.Instance("", fixture.Without("metadata.name"),
			fixture.With("metadata.generateName", prefix)))
		if err != nil {
			return Observation{}, err
		}
		names[object.GetName()] = true
		if !strings.HasPrefix(object.GetName(), prefix) || len(object.GetName()) != len(prefix)+5 {
			shape = object.GetName()
		}
	}
	return observed("201 with %s, %d of %d names differ", shape, len(names), wanted)
}

func objectNames(ctx context.Context, s *Subject) (Observation, error) {
	bad, err := s.post(ctx, s.path(), fixture.Instance("My_DB:1"))
	if err != nil {
		return Observation{}, err
	}
	long, err := s.post(ctx, s.path(), fixture.Instance(strings.Repeat("a", 254)))
	if err != nil {
		return Observation{}, err
	}
	good, err := s.post(ctx, s.path(), fixture.Instance("a.b-1"))
	if err != nil {
		return Observation{}, err
	}
	return observed("My_DB:1 %s; 254 characters %s; a.b-1 %s", bad.Verdict(), long.Verdict(), good.Verdict())
}

func stalePut(ctx context.Context, s *Subject) (Observation, error) {
	stale, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	if _, err := stored(s.update(ctx, fixture.With("spec.replicas", 3))); err != nil {
		return Observation{}, err
	}
	fixture.With("spec.replicas", 5)(stale)
	answer, err := s.put(ctx, s.path("db"), stale)
	if err != nil {
		return Observation{}, err
	}
	current, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	replicas, _, _ := unstructured.NestedInt64(current.Object, "spec", "replicas")
	return observed("%s, the %s write is kept", answer.Verdict(), choose(replicas == 3, "first", "second"))
}

func deletePreconditions(ctx context.Context, s *Subject) (Observation, error) {
	object, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	if _, err := stored(s.update(ctx, fixture.With("spec.replicas", 3))); err != nil {
		return Observation{}, err
	}
	var verdicts []any
	for _, preconditions := range []map[string]any{
		{"uid": "00000000-0000-0000-0000-000000000000"},
		{"resourceVersion": object.GetResourceVersion()},
		{"uid": string(object.GetUID())},
	} {
		answer, err := s.delete(ctx, s.path("db"), map[string]any{
			"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions,
		})
		if err != nil {
			return Observation{}, err
		}
		verdicts = append(verdicts, answer.Verdict())
	}
	return observed("other uid %s, old resourceVersion %s, right uid %s", verdicts...)
}
