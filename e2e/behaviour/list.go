package behaviour

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var listRows = []Row{
	{
		ID: "A15", Group: Machinery, Title: "LIST in chunks",
		Why:    "Large collections are read in pages, and the pages must belong to one moment.",
		Source: "api-concepts, Retrieving large results sets in chunks", Flag: Parity,
		Expect: Both("pages of 2, 2, 1; remaining 3, 1, none; one resourceVersion; an object created meanwhile is in none"),
		Probe:  chunks,
	},
	{
		ID: "A18", Group: Machinery, Title: "LIST at a resourceVersion",
		Why:    "Caches ask for any state, a state not older than theirs, or one exact state, and must get that one.",
		Source: "api-concepts, Semantics for get and list", Flag: Parity, Labels: []string{Slow},
		Expect: Both("0: 200, NotOlderThan: a, b, Exact before b: a, " +
			"far future: 504 Timeout: ResourceVersionTooLarge, no number: 400 BadRequest"),
		Probe: listAt,
	},
	{
		ID: "A19", Group: Machinery, Title: "resourceVersion is a number that grows",
		Why:    "Clients may compare versions since 1.35, for instance to see whether a cache has caught up.",
		Source: "KEP-5504; an aggregated API may opt out", Flag: Outdated,
		Expect: Both("create < update < list"),
		Probe:  comparableVersions,
	},
	{
		ID: "A33", Group: Machinery, Title: "Label and field selectors",
		Why: "A server that ignores a selector hands out objects that nobody asked for, " +
			"and clients act on them.",
		Source: "KEP-4358; the documentation has no row for it", Flag: Parity,
		Expect: Both("label: new; spec.version: old; spec.powerState: off; metadata.name: new; " +
			"spec.replicas 400 BadRequest"),
		Probe: selectors,
	},
	{
		ID: "A50", Group: Machinery, Title: "apiVersion and kind of the items of a list",
		Why: "A script that takes an item out of a list and sends it back works on one form " +
			"and is refused by the other.",
		Source: "found by running it; typed lists of built-in kinds have none either (kubernetes#3030)",
		Flag:   Undocumented,
		Expect: Expectation{
			CRD:        "list MySQLInstanceList, items with apiVersion, with kind",
			Aggregated: "list MySQLInstanceList, items without apiVersion, without kind",
		},
		Probe: itemKinds,
	},
}

// names of the instances in the namespace that a LIST with the options returns, sorted.
func (s *Subject) names(ctx context.Context, options ...wire.Option) (string, error) {
	list, err := stored(s.get(ctx, s.path(), options...))
	if err != nil {
		return "", err
	}
	return strings.Join(namesIn(list), ", "), nil
}

func namesIn(list *unstructured.Unstructured) []string {
	var names []string
	items, _, _ := unstructured.NestedSlice(list.Object, "items")
	for _, item := range items {
		if item, ok := item.(map[string]any); ok {
			names = append(names, (&unstructured.Unstructured{Object: item}).GetName())
		}
	}
	slices.Sort(names)
	return names
}

func itemKinds(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	list, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return Observation{}, err
	}
	items, _, _ := unstructured.NestedSlice(list.Object, "items")
	if len(items) != 1 {
		return observed("list of %d", len(items))
	}
	item := &unstructured.Unstructured{Object: items[0].(map[string]any)}
	return observed("list %s, items %s apiVersion, %s kind", list.GetKind(),
		choose(item.GetAPIVersion() != "", "with", "without"), choose(item.GetKind() != "", "with", "without"))
}

func chunks(ctx context.Context, s *Subject) (Observation, error) {
	for i := range 5 {
		if _, err := s.create(ctx, fixture.Instance(fmt.Sprintf("db-%d", i))); err != nil {
			return Observation{}, err
		}
	}
	var sizes, remaining []string
	versions, seen := sets.New[string](), sets.New[string]()
	for token := ""; ; {
		page, err := stored(s.get(ctx, s.path(), wire.Query("limit", "2"), wire.Query("continue", token)))
		if err != nil {
			return Observation{}, err
		}
		names := namesIn(page)
		seen.Insert(names...)
		sizes = append(sizes, fmt.Sprint(len(names)))
		list := page.Object["metadata"].(map[string]any)
		versions.Insert(fmt.Sprint(list["resourceVersion"]))
		if count, ok := list["remainingItemCount"]; ok {
			remaining = append(remaining, fmt.Sprint(count))
		} else {
			remaining = append(remaining, "none")
		}
		if token, _ = list["continue"].(string); token == "" {
			break
		}
		if len(sizes) == 1 {
			if _, err := s.create(ctx, fixture.Instance("db-9")); err != nil {
				return Observation{}, err
			}
		}
	}
	return observed("pages of %s; remaining %s; %s; an object created meanwhile is in %s",
		strings.Join(sizes, ", "), strings.Join(remaining, ", "),
		choose(versions.Len() == 1, "one resourceVersion", fmt.Sprintf("%d resourceVersions", versions.Len())),
		choose(seen.Has("db-9"), "one of them", "none"))
}

func listAt(ctx context.Context, s *Subject) (Observation, error) {
	first, err := s.create(ctx, fixture.Instance("a"))
	if err != nil {
		return Observation{}, err
	}
	second, err := s.create(ctx, fixture.Instance("b"))
	if err != nil {
		return Observation{}, err
	}
	any, err := s.get(ctx, s.path(), wire.Query("resourceVersion", "0"))
	if err != nil {
		return Observation{}, err
	}
	recent, err := s.names(ctx, wire.Query("resourceVersion", second.GetResourceVersion()),
		wire.Query("resourceVersionMatch", "NotOlderThan"))
	if err != nil {
		return Observation{}, err
	}
	exact, err := s.names(ctx, wire.Query("resourceVersion", first.GetResourceVersion()),
		wire.Query("resourceVersionMatch", "Exact"))
	if err != nil {
		return Observation{}, err
	}
	future, err := s.get(ctx, s.path(), wire.Query("resourceVersion", "1000000000000"),
		wire.Query("resourceVersionMatch", "NotOlderThan"))
	if err != nil {
		return Observation{}, err
	}
	cause := ""
	if status := future.Status(); status != nil && status.Details != nil && len(status.Details.Causes) > 0 {
		cause = ": " + string(status.Details.Causes[0].Type)
	}
	nonsense, err := s.get(ctx, s.path(), wire.Query("resourceVersion", "yesterday"))
	if err != nil {
		return Observation{}, err
	}
	return observed("0: %s, NotOlderThan: %s, Exact before b: %s, far future: %s%s, no number: %s",
		any.Verdict(), recent, exact, future.Verdict(), cause, nonsense.Verdict())
}

func comparableVersions(ctx context.Context, s *Subject) (Observation, error) {
	created, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	updated, err := stored(s.update(ctx, fixture.With("spec.replicas", 3)))
	if err != nil {
		return Observation{}, err
	}
	// The list's own version is that of the last write to the store, so something has to be written in between.
	if _, err := s.create(ctx, fixture.Instance("other")); err != nil {
		return Observation{}, err
	}
	list, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return Observation{}, err
	}
	relation := func(a, b *unstructured.Unstructured) (string, error) {
		compared, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
		if err != nil {
			return "", fmt.Errorf("could not compare resource versions: %w", err)
		}
		return []string{"<", "=", ">"}[compared+1], nil
	}
	update, err := relation(created, updated)
	if err != nil {
		return Observation{}, err
	}
	listing, err := relation(updated, list)
	if err != nil {
		return Observation{}, err
	}
	return observed("create %s update %s list", update, listing)
}

func selectors(ctx context.Context, s *Subject) (Observation, error) {
	for _, object := range []*unstructured.Unstructured{
		fixture.Instance("new", fixture.With("metadata.labels.tier", "prod")),
		fixture.Instance("old", fixture.With("spec.version", "8.0.36")),
		fixture.Instance("off", fixture.With("spec.powerState", "Stopped")),
	} {
		if _, err := s.create(ctx, object); err != nil {
			return Observation{}, err
		}
	}
	var found []string
	for _, selector := range []struct{ title, parameter, value string }{
		{"label", "labelSelector", "tier=prod"},
		{"spec.version", "fieldSelector", "spec.version=8.0.36"},
		{"spec.powerState", "fieldSelector", "spec.powerState=Stopped"},
		{"metadata.name", "fieldSelector", "metadata.name=new"},
	} {
		names, err := s.names(ctx, wire.Query(selector.parameter, selector.value))
		if err != nil {
			return Observation{}, err
		}
		found = append(found, selector.title+": "+names)
	}
	unsupported, err := s.get(ctx, s.path(), wire.Query("fieldSelector", "spec.replicas=1"))
	if err != nil {
		return Observation{}, err
	}
	return observed("%s; spec.replicas %s", strings.Join(found, "; "), unsupported.Verdict())
}
