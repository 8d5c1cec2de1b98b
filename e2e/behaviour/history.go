package behaviour

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

// historyRows are about the store under the objects: what it forgets, and how it counts.
var historyRows = []Row{
	{
		ID: "A20", Group: Machinery, Title: "Resource versions of a store of its own",
		Why: "A client that goes on with a version of another store waits for a future that does not come, " +
			"or is handed the past.",
		Source: "found by reasoning; milo#671 shows the 504", Flag: Undocumented,
		Labels: failing, Site: true,
		Expect: Expectation{
			CRD: "between two ConfigMaps its version lies between theirs; " +
				"LIST not older than a ConfigMap's version 200",
			Aggregated: "between two ConfigMaps its version lies below theirs; " +
				"LIST not older than a ConfigMap's version 504 Timeout",
		},
		Probe: versionSpace,
	},
	{
		ID: "A16", Group: Machinery, Title: "A page, a state and a watch of a time that the store has forgotten",
		Why: "Without a 410 a client goes on from a state that nobody has any more, " +
			"and misses objects for ever.",
		Source: "api-concepts, 410 Gone; ARK#3223", Flag: Parity,
		Labels: failing, Site: true,
		Expect: Both("continue 410 Expired with a token to go on; exact state 410 Expired; watch ERROR 410 Expired"),
		Probe:  forgotten,
	},
	{
		ID: "A17", Group: Machinery, Title: "LIST of the newest state",
		Why: "Controllers list with no resourceVersion all the time: " +
			"from the store it is slow, and from a cache that lags it is wrong.",
		Source: "KEP-2340, ConsistentListFromCache; kubernetes.io/docs/reference/using-api/api-concepts", Flag: Parity,
		Labels: []string{Slow}, Site: true,
		Expect: Both("50 lists of 10 after 50 writes: 0 stale, from the cache"),
		Probe:  consistentLists,
	},
}

// compactionNoticed is how long a server may take to learn what the store has forgotten: it looks every 15 s.
const compactionNoticed = 25 * time.Second

func forgotten(ctx context.Context, s *Subject) (Observation, error) {
	first, err := s.create(ctx, fixture.Instance("a"))
	if err != nil {
		return Observation{}, err
	}
	if _, err := s.create(ctx, fixture.Instance("b")); err != nil {
		return Observation{}, err
	}
	page, err := stored(s.get(ctx, s.path(), wire.Query("limit", "1")))
	if err != nil {
		return Observation{}, err
	}
	token, _, _ := unstructured.NestedString(page.Object, "metadata", "continue")
	if _, err := s.create(ctx, fixture.Instance("c")); err != nil {
		return Observation{}, err
	}
	storing, err := s.storing(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := storing.compact(ctx); err != nil {
		return Observation{}, err
	}
	next, err := s.untilRefused(ctx, wire.Query("limit", "1"), wire.Query("continue", token))
	if err != nil {
		return Observation{}, err
	}
	goOn := "with nothing to go on"
	if status := next.Status(); status != nil && status.Continue != "" {
		goOn = "with a token to go on"
	}
	exact, err := s.untilRefused(ctx, wire.Query("resourceVersion", first.GetResourceVersion()),
		wire.Query("resourceVersionMatch", "Exact"))
	if err != nil {
		return Observation{}, err
	}
	stream, err := s.client.Watch(ctx, s.path(), wire.Query("resourceVersion", "1"))
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	event, err := stream.Next()
	if err != nil {
		return Observation{}, err
	}
	told := string(event.Type)
	if event.Type == watch.Error {
		told = fmt.Sprintf("%s %s %s", event.Type, show(event.Object, "code"), show(event.Object, "reason"))
	}
	return observed("continue %s %s; exact state %s; watch %s", next.Verdict(), goOn, exact.Verdict(), told)
}

// untilRefused lists until the server refuses, or for as long as it may take to learn of a compaction.
func (s *Subject) untilRefused(ctx context.Context, options ...wire.Option) (*wire.Answer, error) {
	var answer *wire.Answer
	_, err := holdsWithin(ctx, compactionNoticed, func(ctx context.Context) (bool, error) {
		var err error
		answer, err = s.get(ctx, s.path(), options...)
		return err == nil && !answer.OK(), err
	})
	return answer, err
}

// compact has a server's etcd forget everything but the newest state, as API servers do every five minutes.
func (v server) compact(ctx context.Context) error {
	client, err := v.etcd()
	if err != nil {
		return err
	}
	defer client.Close()
	now, err := client.Get(ctx, v.flag("etcd-prefix"), clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("could not read the revision of etcd: %w", err)
	}
	revision := now.Header.Revision
	// This key is how API servers tell each other how far etcd was compacted.
	if _, err := client.Put(ctx, "compact_rev_key", strconv.FormatInt(revision, 10)); err != nil {
		return fmt.Errorf("could not announce a compaction: %w", err)
	}
	if _, err := client.Compact(ctx, revision); err != nil {
		return fmt.Errorf("could not compact etcd: %w", err)
	}
	return nil
}

func consistentLists(ctx context.Context, s *Subject) (Observation, error) {
	const writes, objects = 50, 10
	storing, err := s.storing(ctx)
	if err != nil {
		return Observation{}, err
	}
	ours := labels{"group": fixture.Group, "resource": fixture.Resource}
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	for i := range objects - 1 {
		if _, err := s.create(ctx, fixture.Instance(fmt.Sprintf("other-%d", i))); err != nil {
			return Observation{}, err
		}
	}
	cached, _, err := s.count(ctx, storing, "apiserver_cache_list_fetched_objects_total", ours)
	if err != nil {
		return Observation{}, err
	}
	read, _, err := s.count(ctx, storing, "apiserver_storage_list_fetched_objects_total", ours)
	if err != nil {
		return Observation{}, err
	}
	stale := 0
	for i := range writes {
		written, err := stored(s.update(ctx, fixture.With("metadata.labels", map[string]any{"write": strconv.Itoa(i)})))
		if err != nil {
			return Observation{}, err
		}
		list, err := stored(s.get(ctx, s.path()))
		if err != nil {
			return Observation{}, err
		}
		compared, err := resourceversion.CompareResourceVersion(list.GetResourceVersion(), written.GetResourceVersion())
		if err != nil {
			return Observation{}, fmt.Errorf("could not compare resource versions: %w", err)
		}
		items, _, _ := unstructured.NestedSlice(list.Object, "items")
		fresh := slices.ContainsFunc(items, func(item any) bool {
			return nested(item, "metadata", "labels", "write") == strconv.Itoa(i)
		})
		if compared < 0 || len(items) != objects || !fresh {
			stale++
		}
	}
	cachedAfter, _, err := s.count(ctx, storing, "apiserver_cache_list_fetched_objects_total", ours)
	if err != nil {
		return Observation{}, err
	}
	readAfter, _, err := s.count(ctx, storing, "apiserver_storage_list_fetched_objects_total", ours)
	if err != nil {
		return Observation{}, err
	}
	// What is counted are objects: each of these lists asks the store for its newest version, which counts as a list of
	// one. Other rows list as well, now and then from the store, but not as many objects.
	const all = writes * objects
	from := "from neither"
	switch {
	case readAfter-read >= all:
		from = "from the store"
	case cachedAfter-cached >= all:
		from = "from the cache"
	}
	return observed("%d lists of %d after %d writes: %d stale, %s", writes, objects, writes, stale, from)
}

func versionSpace(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, apart)
	if err != nil {
		return Observation{}, err
	}
	client, err := there.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	note := func(name string) (string, error) {
		created, err := client.CoreV1().ConfigMaps(there.Namespace).Create(ctx,
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			return "", fmt.Errorf("could not create a ConfigMap: %w", err)
		}
		return created.ResourceVersion, nil
	}
	before, err := note("before")
	if err != nil {
		return Observation{}, err
	}
	object, err := there.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	after, err := note("after")
	if err != nil {
		return Observation{}, err
	}
	above, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), before)
	if err != nil {
		return Observation{}, fmt.Errorf("could not compare resource versions: %w", err)
	}
	below, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), after)
	if err != nil {
		return Observation{}, fmt.Errorf("could not compare resource versions: %w", err)
	}
	place := "between"
	switch {
	case above < 0:
		place = "below"
	case below > 0:
		place = "above"
	}
	list, err := there.get(ctx, there.path(), wire.Query("resourceVersion", after),
		wire.Query("resourceVersionMatch", "NotOlderThan"))
	if err != nil {
		return Observation{}, err
	}
	return observed("between two ConfigMaps its version lies %s theirs; LIST not older than a ConfigMap's version %s",
		place, list.Verdict())
}
