package behaviour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var watchRows = []Row{
	{
		ID: "A12", Group: Machinery, Title: "Watch",
		Why:    "Controllers live on the order of these events.",
		Source: "custom-resources, Common features", Flag: Parity,
		Expect: Both("ADDED, MODIFIED, DELETED; each with a higher resourceVersion than the last"),
		Probe:  watchEvents,
	},
	{
		ID: "A13", Group: Machinery, Title: "Bookmarks",
		Why:    "Without them an idle watch has to list everything again after it is cut.",
		Source: "api-concepts, Watch bookmarks", Flag: Parity, Labels: []string{Slow},
		Expect: Both("BOOKMARK not older than the last event"),
		Probe:  bookmarks,
	},
	{
		ID: "A14", Group: Machinery, Title: "WatchList: the initial events end",
		Why: "Informers of client-go 0.35 and later wait for this bookmark, " +
			"and an API that never sends it hangs them for ever.",
		Source: "KEP-3157; antrea#8123, calico#11114, rancher/steve#1229", Flag: Parity,
		Expect: Both("empty collection: BOOKMARK initial-events-end; " +
			"two objects: ADDED one, ADDED two, BOOKMARK initial-events-end"),
		Probe: watchList,
	},
	{
		ID: "A34", Group: Machinery, Title: "Watch with a selector: an object that leaves it",
		Why:    "A client that watches a selection would keep an object for ever if its leaving were no event.",
		Source: "api-concepts, Efficient detection of changes", Flag: Parity,
		Expect: Both("label changed away: DELETED, changed back: ADDED; field changed away: DELETED, changed back: ADDED"),
		Probe:  selectorTransitions,
	},
}

func watchEvents(ctx context.Context, s *Subject) (Observation, error) {
	list, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return Observation{}, err
	}
	stream, err := s.client.Watch(ctx, s.path(), wire.Query("resourceVersion", list.GetResourceVersion()))
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	if _, err := stored(s.update(ctx, fixture.With("spec.replicas", 3))); err != nil {
		return Observation{}, err
	}
	if _, err := stored(s.delete(ctx, s.path("db"), nil)); err != nil {
		return Observation{}, err
	}
	events, err := stream.Until(func(e wire.Event) bool { return e.Type == watch.Deleted })
	if err != nil {
		return Observation{}, err
	}
	order := "each with a higher resourceVersion than the last"
	last := list.GetResourceVersion()
	for _, event := range events {
		version := event.Object.GetResourceVersion()
		if compared, err := resourceversion.CompareResourceVersion(last, version); err != nil || compared >= 0 {
			order = "resourceVersion " + version + " follows " + last
		}
		last = version
	}
	return observed("%s; %s", eventTypes(events), order)
}

// eventTypes are the types of events, in order. A run of MODIFIED counts once: the controller writes as well.
func eventTypes(events []wire.Event) string {
	names := make([]string, 0, len(events))
	for _, event := range events {
		names = append(names, string(event.Type))
	}
	modified := string(watch.Modified)
	names = slices.CompactFunc(names, func(a, b string) bool { return a == modified && b == modified })
	return strings.Join(names, ", ")
}

func bookmarks(ctx context.Context, s *Subject) (Observation, error) {
	object, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	// The watch cache sends a bookmark about once a minute, and two seconds before the end of a watch with a timeout.
	stream, err := s.client.Watch(ctx, s.path(), wire.Query("allowWatchBookmarks", "true"),
		wire.Query("timeoutSeconds", "5"), wire.Query("resourceVersion", object.GetResourceVersion()))
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	last := object.GetResourceVersion()
	for {
		event, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return observed("no BOOKMARK")
		}
		if err != nil {
			return Observation{}, err
		}
		version := event.Object.GetResourceVersion()
		if event.Type != watch.Bookmark {
			last = version
			continue
		}
		compared, err := resourceversion.CompareResourceVersion(version, last)
		if err != nil {
			return Observation{}, err
		}
		return observed("BOOKMARK %s than the last event", choose(compared >= 0, "not older", "older"))
	}
}

func watchList(ctx context.Context, s *Subject) (Observation, error) {
	initial := func() (string, error) {
		stream, err := s.client.Watch(ctx, s.path(), wire.Query("sendInitialEvents", "true"),
			wire.Query("resourceVersionMatch", "NotOlderThan"), wire.Query("allowWatchBookmarks", "true"),
			wire.Query("timeoutSeconds", "20"))
		if err != nil {
			return "", err
		}
		defer stream.Close()
		events, err := stream.Until(func(e wire.Event) bool { return e.Type == watch.Bookmark })
		if errors.Is(err, io.EOF) {
			err = nil // the watch ended without the bookmark: that is what was observed
		}
		var seen []string
		for _, event := range events {
			name := event.Object.GetName()
			if event.Object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
				name = "initial-events-end"
			}
			seen = append(seen, fmt.Sprintf("%s %s", event.Type, name))
		}
		return strings.Join(seen, ", "), err
	}
	empty, err := initial()
	if err != nil {
		return Observation{}, err
	}
	for _, name := range []string{"one", "two"} {
		if _, err := s.create(ctx, fixture.Instance(name)); err != nil {
			return Observation{}, err
		}
	}
	full, err := initial()
	if err != nil {
		return Observation{}, err
	}
	return observed("empty collection: %s; two objects: %s", empty, full)
}

func selectorTransitions(ctx context.Context, s *Subject) (Observation, error) {
	object, err := s.create(ctx, fixture.Instance("db", fixture.With("metadata.labels.tier", "prod")))
	if err != nil {
		return Observation{}, err
	}
	transitions := func(selector wire.Option, away, back string) (string, string, error) {
		stream, err := s.client.Watch(ctx, s.path(), selector,
			wire.Query("resourceVersion", object.GetResourceVersion()))
		if err != nil {
			return "", "", err
		}
		defer stream.Close()
		var seen []string
		for _, patch := range []string{away, back} {
			object, err = stored(s.patch(ctx, s.path("db"), patch, wire.PatchType(types.MergePatchType)))
			if err != nil {
				return "", "", err
			}
			events, err := stream.Until(func(e wire.Event) bool { return e.Type != watch.Modified })
			if err != nil {
				return "", "", err
			}
			seen = append(seen, string(events[len(events)-1].Type))
		}
		return seen[0], seen[1], nil
	}
	labelAway, labelBack, err := transitions(wire.Query("labelSelector", "tier=prod"),
		`{"metadata":{"labels":{"tier":"dev"}}}`, `{"metadata":{"labels":{"tier":"prod"}}}`)
	if err != nil {
		return Observation{}, err
	}
	fieldAway, fieldBack, err := transitions(wire.Query("fieldSelector", "spec.powerState=Running"),
		`{"spec":{"powerState":"Stopped"}}`, `{"spec":{"powerState":"Running"}}`)
	if err != nil {
		return Observation{}, err
	}
	return observed("label changed away: %s, changed back: %s; field changed away: %s, changed back: %s",
		labelAway, labelBack, fieldAway, fieldBack)
}
