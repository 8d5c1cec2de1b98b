package behaviour

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var patchRows = []Row{
	{
		ID: "A2", Group: Machinery, Title: "Strategic merge patch",
		Why:    "It is the patch type of built-in kinds that merges lists by key, and the default of `kubectl patch`.",
		Source: "custom-resources, strategic-merge-patch; kubernetes#97423", Flag: Documented,
		Expect: Expectation{
			CRD:        "415 UnsupportedMediaType",
			Aggregated: "200, parameters: max_connections, sort_buffer_size",
		},
		Probe: strategicMergePatch,
	},
	{
		ID: "A5", Group: Machinery, Title: "JSON patch, merge patch and server-side apply",
		Why:    "They are the patch types that work everywhere, and each must leave its writer in managedFields.",
		Source: "custom-resources, Common features", Flag: Parity,
		Expect: Both("json 200, merge 200, apply 200, apply of a new object 201; " +
			"managers: applier (Apply), json-patcher (Update), merge-patcher (Update)"),
		Probe: patchTypes,
	},
	{
		ID: "A6", Group: Machinery, Title: "Server-side apply: two owners of one list",
		Why:    "A team and a controller may each own entries of one list, and must not take them from each other.",
		Source: "server-side-apply, Merge strategy; needs list types in the schema the server itself uses", Flag: Parity,
		Expect: Both(`two owners keep max_connections, sort_buffer_size; ` +
			`a third gets 409 Conflict: spec.parameters[name="max_connections"].value; forced 200`),
		Probe: applyConflict,
	},
	{
		ID: "A48", Group: Machinery, Title: "JSON patch whose test fails, and patches of nothing",
		Why:    "Clients use the test operation as a lock, so its failure must be told from a mistake.",
		Source: "api-concepts, Patch", Flag: Parity,
		Expect: Both("failed test 422 Invalid, no patch document 400 BadRequest, patch of a missing object 404 NotFound"),
		Probe:  refusedPatches,
	},
}

func parameter(name, value string) map[string]any {
	return map[string]any{"name": name, "value": value}
}

func strategicMergePatch(ctx context.Context, s *Subject) (Observation, error) {
	_, err := s.create(ctx, fixture.Instance("db",
		fixture.With("spec.parameters", []any{parameter("max_connections", "200")})))
	if err != nil {
		return Observation{}, err
	}
	answer, err := s.patch(ctx, s.path("db"), map[string]any{
		"spec": map[string]any{"parameters": []any{parameter("sort_buffer_size", "1M")}},
	}, wire.PatchType(types.StrategicMergePatchType))
	if err != nil || !answer.OK() {
		return Observation{Summary: verdictOf(answer)}, err
	}
	object, err := answer.Object()
	if err != nil {
		return Observation{}, err
	}
	return observed("%s, parameters: %s", answer.Verdict(), parameters(object))
}

// verdictOf is the verdict of an answer, or nothing if there was none.
func verdictOf(answer *wire.Answer) string {
	if answer == nil {
		return ""
	}
	return answer.Verdict()
}

// parameters are the names of an instance's parameters, sorted.
func parameters(object *unstructured.Unstructured) string {
	list, _, _ := unstructured.NestedSlice(object.Object, "spec", "parameters")
	names := sets.New[string]()
	for _, item := range list {
		if item, ok := item.(map[string]any); ok {
			names.Insert(item["name"].(string))
		}
	}
	return strings.Join(sets.List(names), ", ")
}

func patchTypes(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	byJSON, err := s.patch(ctx, s.path("db"), `[{"op":"replace","path":"/spec/replicas","value":2}]`,
		wire.PatchType(types.JSONPatchType), wire.Query("fieldManager", "json-patcher"))
	if err != nil {
		return Observation{}, err
	}
	byMerge, err := s.patch(ctx, s.path("db"), `{"spec":{"deletionPolicy":"Delete"}}`,
		wire.PatchType(types.MergePatchType), wire.Query("fieldManager", "merge-patcher"))
	if err != nil {
		return Observation{}, err
	}
	byApply, err := s.apply(ctx, "applier", fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	object, err := byApply.Object()
	if err != nil {
		return Observation{}, err
	}
	fresh, err := s.apply(ctx, "applier", fixture.Instance("fresh"))
	if err != nil {
		return Observation{}, err
	}
	managers := sets.New[string]()
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == "applier" || strings.HasSuffix(entry.Manager, "-patcher") {
			managers.Insert(entry.Manager + " (" + string(entry.Operation) + ")")
		}
	}
	return observed("json %s, merge %s, apply %s, apply of a new object %s; managers: %s", byJSON.Verdict(),
		byMerge.Verdict(), byApply.Verdict(), fresh.Verdict(), strings.Join(sets.List(managers), ", "))
}

func (s *Subject) apply(
	ctx context.Context, manager string, object *unstructured.Unstructured, options ...wire.Option,
) (*wire.Answer, error) {
	options = append(options, wire.PatchType(types.ApplyPatchType), wire.Query("fieldManager", manager))
	return s.patch(ctx, s.path(object.GetName()), object, options...)
}

func applyConflict(ctx context.Context, s *Subject) (Observation, error) {
	owned := func(name, value string) *unstructured.Unstructured {
		return fixture.Instance("db", fixture.With("spec.parameters", []any{parameter(name, value)}))
	}
	if _, err := stored(s.apply(ctx, "team", owned("max_connections", "200"))); err != nil {
		return Observation{}, err
	}
	both, err := stored(s.apply(ctx, "tuner", owned("sort_buffer_size", "1M")))
	if err != nil {
		return Observation{}, err
	}
	refused, err := s.apply(ctx, "intruder", owned("max_connections", "999"))
	if err != nil {
		return Observation{}, err
	}
	forced, err := s.apply(ctx, "intruder", owned("max_connections", "999"), wire.Query("force", "true"))
	if err != nil {
		return Observation{}, err
	}
	return observed("two owners keep %s; a third gets %s; forced %s",
		parameters(both), refused.Verdict(), forced.Verdict())
}

func refusedPatches(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	failed, err := s.patch(ctx, s.path("db"), `[{"op":"test","path":"/spec/replicas","value":7}]`,
		wire.PatchType(types.JSONPatchType))
	if err != nil {
		return Observation{}, err
	}
	nonsense, err := s.patch(ctx, s.path("db"), `"spec"`, wire.PatchType(types.JSONPatchType))
	if err != nil {
		return Observation{}, err
	}
	missing, err := s.patch(ctx, s.path("missing"), `{"spec":{"replicas":2}}`, wire.PatchType(types.MergePatchType))
	if err != nil {
		return Observation{}, err
	}
	return observed("failed test %s, no patch document %s, patch of a missing object %s",
		failed.Verdict(), nonsense.Verdict(), missing.Verdict())
}
