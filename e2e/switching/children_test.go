package switching_test

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/metadata"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/shared/names"
)

// childResources are those of the children of an instance, and of what belongs to it without an owner.
var childResources = []schema.GroupVersionResource{
	{Version: "v1", Resource: "secrets"},
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "services"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
}

// identity is what a child must keep: who it is, whose, and what it was told to be. A StatefulSet that is told
// otherwise restarts its servers.
type identity struct {
	UID        types.UID
	Owner      string
	Generation int64
}

// children of the instances that are there all the time, by resource and name, the owners as the load knows them.
func (l *load) children(ctx context.Context) map[string]identity {
	GinkgoHelper()
	found := map[string]identity{}
	l.eachChild(ctx, func(resource string, child metav1.PartialObjectMetadata) {
		if !strings.Contains(child.Name, churnPrefix) {
			found[resource+" "+child.Namespace+"/"+child.Name] = identity{
				UID: child.UID, Owner: l.owner(child), Generation: child.Generation,
			}
		}
	})
	return found
}

// owner of a child, by what it must keep: its UID.
func (l *load) owner(child metav1.PartialObjectMetadata) string {
	for _, owner := range child.OwnerReferences {
		if owner.Kind == fixture.Kind && l.namesOnly {
			return owner.Name
		}
		if owner.Kind == fixture.Kind {
			return owner.Name + " " + string(owner.UID)
		}
	}
	return ""
}

// eachChild calls a function with everything in the load's namespaces that belongs to an instance.
func (l *load) eachChild(ctx context.Context, call func(string, metav1.PartialObjectMetadata)) {
	GinkgoHelper()
	client, err := metadata.NewForConfig(l.config())
	Expect(err).NotTo(HaveOccurred())
	ours := sets.New(l.namespaces...)
	for _, resource := range childResources {
		list, err := client.Resource(resource).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		for _, item := range list.Items {
			if ours.Has(item.Namespace) && (l.owner(item) != "" || item.Labels[names.LabelManagedBy] == names.ManagedBy) {
				call(resource.Resource, item)
			}
		}
	}
}

// collecting is how long the garbage collector may take. What was refused to it while it was held it tries again later and
// later, after 1,000 s at most.
const collecting = 20 * time.Minute

// same makes sure that every child is the one it was, and that the garbage collector was at work: no child is left of
// an instance that went.
func (l *load) same(ctx context.Context) {
	GinkgoHelper()
	By("looking at the children")
	now := l.children(ctx)
	Expect(now).To(Equal(l.before))
	AddReportEntry("children", len(now))
	Eventually(func(ctx context.Context) []string { return l.abandoned(ctx) }).WithContext(ctx).
		WithTimeout(collecting).Should(BeEmpty(), "the garbage collector leaves children of instances that are gone")
}

// kept are the resources of what stays without an owner, on purpose, when an instance is deleted.
var kept = sets.New("secrets")

// abandoned are the children whose owner is gone, also those that do not name it any more.
func (l *load) abandoned(ctx context.Context) []string {
	GinkgoHelper()
	there, living := sets.New[types.UID](), sets.New[string]()
	for _, namespace := range l.namespaces {
		list, err := l.dynamic(fixture.V1).Namespace(namespace).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		for _, item := range list.Items {
			there.Insert(item.GetUID())
			living.Insert(namespace + "/" + names.Base(item.GetName()))
		}
	}
	var left []string
	l.eachChild(ctx, func(resource string, child metav1.PartialObjectMetadata) {
		gone := func(owner metav1.OwnerReference) bool { return owner.Kind == fixture.Kind && !there.Has(owner.UID) }
		ownerless := l.owner(child) == "" && !kept.Has(resource) && !living.Has(child.Namespace+"/"+child.Labels[names.LabelInstance])
		if ownerless || slices.ContainsFunc(child.OwnerReferences, gone) {
			left = append(left, resource+" "+child.Namespace+"/"+child.Name)
		}
	})
	return left
}
