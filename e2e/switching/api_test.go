package switching_test

import (
	"context"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/e2e/consistency"
	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/suite"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/switching"
)

// compacting has kube-apiserver forget early what is old. A switch through the API towards a CustomResourceDefinition waits
// for that, and by itself it takes up to ten minutes. It must not be earlier than a watch cache is filled, for which a webhook
// converts one object after the other: a cache that takes longer finds that what it goes on from is forgotten, and begins anew.
func compacting() string {
	const conversion = 240 * time.Millisecond // on a machine that is busy, in two kube-apiservers
	return "--etcd-compaction-interval=" + max(5*time.Second, time.Duration(*objects)*conversion).String()
}

var _ = Describe("A switch of strategy api", Ordered, Label("api"), func() {
	if !*full {
		return
	}
	place := open(suite.Forms[0], controlplane.Options{APIServers: *apiServers, APIServerArgs: []string{compacting()}})

	It("makes every object anew, and is noticed by nobody but for writes, there and back", SpecTimeout(patience),
		func(ctx context.Context) {
			load := start(ctx, *place, &population{})
			load.namesOnly = true // A child's owner is another one by design, with the same name.
			load.before = load.children(ctx)
			for range trips() {
				for _, to := range []string{install.Aggregated, install.CRD} {
					load.calm(ctx)
					load.remakeIn(ctx, to)
				}
			}
			load.calm(ctx)
			load.finish(ctx, fencedFor(len(load.objects)))
			load.refusedWhileFenced()
		})
})

// fencedFor tolerates that writes are refused for as long as it takes to move so many objects and their children one by one, under
// load on a small machine, and nothing else.
func fencedFor(objects int) consistency.Options {
	const move = time.Second
	options := fenced
	options.Writes.Longest = standstill + time.Duration(objects)*move
	return options
}

// trips are fewer than those of other strategies: each makes thousands of objects anew.
func trips() int {
	return min(*roundTrips, 2)
}

// remakeIn switches in two runs, so that the oracle of a store is there before the store is served from, and looks at what
// is meant to be another: the verdict takes a new UID for the same object if, and only if, an annotation has the old one.
func (l *load) remakeIn(ctx context.Context, to string) {
	GinkgoHelper()
	before := l.identities(ctx)
	options := switching.Options{To: to, Strategy: switching.API, Until: switching.Import}
	if store := l.stores[l.storeOf(to)]; store != nil {
		store.prepare()
	}
	l.switchTo(ctx, options)
	l.store = l.storeOf(to)
	if to == install.Aggregated {
		l.followDedicated(ctx, true)
	}
	l.stores[l.store].serve(ctx)
	options.Until = ""
	result := l.switchTo(ctx, options)
	Expect(result.Windows.ReadRefused.Duration).To(BeZero(), "its canary's reads were refused")
	Expect(result.Moved).NotTo(BeNil())
	Expect(result.Moved.Children).To(BeNumerically(">=", len(l.objects)), "children were lost")
	Expect(result.Moved.Export).To(BeARegularFile())
	info, err := os.Stat(result.Moved.Export)
	Expect(err).NotTo(HaveOccurred())
	Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))

	renewed := 0
	for key, now := range l.identities(ctx) {
		was, known := before[key]
		if !known {
			continue // It came since.
		}
		Expect(now.GetUID()).NotTo(Equal(was.GetUID()), "%s has the UID that it had", key)
		if now.GetAnnotations()[v1.AnnotationPreviousUID] == string(was.GetUID()) {
			renewed++
		}
	}
	Expect(renewed).To(BeNumerically(">=", len(l.objects)))
	AddReportEntry("not expected to hold, by design", fmt.Sprintf("%d objects have a new UID and creationTimestamp, a generation "+
		"that counts anew, and higher resourceVersions; the verdict compares all the rest", renewed))
}

// storeOf a form, as the record calls it, when objects are not stored in one place.
func (l *load) storeOf(form string) string {
	if form == install.Aggregated {
		return dedicatedStore
	}
	return ""
}

// identities are all instances by namespace and name.
func (l *load) identities(ctx context.Context) map[string]unstructured.Unstructured {
	GinkgoHelper()
	found := map[string]unstructured.Unstructured{}
	for _, namespace := range l.namespaces {
		list, err := l.dynamic(fixture.V1).Namespace(namespace).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		for _, item := range list.Items {
			found[item.GetNamespace()+"/"+item.GetName()] = item
		}
	}
	return found
}
