package e2e_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	crdimpl "github.com/duet-api/duet/crd-impl"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// childResources are those of the children that the controller gives an owner.
var childResources = []schema.GroupVersionResource{
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "configmaps"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
}

// While no form serves the group, its objects answer 404, and the garbage collector remembers for the life of its
// process whom it has found absent. These specs make sure that nobody was lost by it, once it is at work again.
var _ = Describe("Changing the form", Ordered, Label("install"), func() {
	s := &site{form: crdimpl.Form{}, profile: crdimpl.ProfileWebhooks}
	var namespace string
	var client kubernetes.Interface
	var before map[string]identity

	BeforeAll(func(ctx context.Context) {
		s.open(ctx)
		namespace = s.namespace(ctx, "changing-")
		s.create(ctx, namespace, "db")
		var err error
		client, err = kubernetes.NewForConfig(s.Config())
		Expect(err).NotTo(HaveOccurred())

		owner, err := s.instance(ctx, namespace, "db")
		Expect(err).NotTo(HaveOccurred())
		_, err = client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: "a-users-own", OwnerReferences: []metav1.OwnerReference{ownerReference("db", owner.UID)},
		}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(ctx context.Context) (map[string]identity, error) { return s.owned(ctx, namespace) }).
			WithContext(ctx).Should(SatisfyAll(HaveLen(8), HaveKey("statefulsets/db"), HaveKey("configmaps/a-users-own")))
		before, err = s.owned(ctx, namespace)
		Expect(err).NotTo(HaveOccurred())
	})

	// collected waits until the garbage collector has deleted the child of an owner that does not exist: it knows the kind
	// again, for which it looks every 30 s, and is at work.
	collected := func(ctx context.Context) {
		GinkgoHelper()
		orphan, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			GenerateName:    "orphan-",
			OwnerReferences: []metav1.OwnerReference{ownerReference("never", "00000000-0000-0000-0000-000000000000")},
		}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(ctx context.Context) bool {
			_, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, orphan.Name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		}).WithContext(ctx).WithTimeout(2*time.Minute).Should(BeTrue(), "the garbage collector did not get to work")
	}

	for _, next := range []string{install.Aggregated, install.CRD} {
		It("to "+next+" loses no child and no owner", func(ctx context.Context) {
			_, err := s.Installer.Uninstall(ctx, false)
			Expect(err).NotTo(HaveOccurred())
			Expect(s.owned(ctx, namespace)).To(BeEmpty(), "a child still names an owner that answers 404")

			Expect(s.Installer.Install(ctx, next, "")).To(Succeed())
			collected(ctx)
			Expect(s.owned(ctx, namespace)).To(Equal(before))
		})
	}

	It("keeps a parked definition from being deleted", func(ctx context.Context) {
		_, err := s.Installer.Uninstall(ctx, false)
		Expect(err).NotTo(HaveOccurred())
		definitions, name := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", install.Resource.GroupResource().String()
		answer, err := s.client.Send(ctx, "DELETE", definitions+"/"+name, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Code).To(Equal(422))
		answer, err = s.client.Send(ctx, "DELETE", definitions, nil, wire.Query("fieldSelector", "metadata.name="+name))
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Code).To(Equal(422), "as one of a collection")
		Expect(s.Installer.Install(ctx, install.CRD, "")).To(Succeed())
	})

	switchSpecs(s, func() string { return namespace })
	openedSpecs(s, func() string { return namespace })
	resumedSpecs(s, func() string { return namespace })

	It("leaves nothing when the data is to go too", func(ctx context.Context) {
		result, err := s.Installer.Uninstall(ctx, true)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Deleted).To(Equal(1))
		Expect(result.Stays).To(BeEmpty())
		Eventually(func(ctx context.Context) (map[string]identity, error) { return s.owned(ctx, namespace) }).
			WithContext(ctx).Should(BeEmpty(), "a child outlives its owner")
		_, err = client.CoreV1().Namespaces().Get(ctx, install.Namespace, metav1.GetOptions{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "want the namespace to be gone, got %v", err)
	})
})

func ownerReference(name string, uid types.UID) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: install.Resource.GroupVersion().String(), Kind: "MySQLInstance", Name: name, UID: uid,
	}
}

// identity is what a child must keep.
type identity struct {
	UID, Owner types.UID
}

// owned are the objects of a namespace that an instance owns, by resource and name.
func (s *site) owned(ctx context.Context, namespace string) (map[string]identity, error) {
	client, err := metadata.NewForConfig(s.Config())
	if err != nil {
		return nil, err
	}
	found := map[string]identity{}
	for _, resource := range childResources {
		list, err := client.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for _, item := range list.Items {
			for _, owner := range item.OwnerReferences {
				if owner.Kind == "MySQLInstance" {
					found[resource.Resource+"/"+item.Name] = identity{UID: item.UID, Owner: owner.UID}
				}
			}
		}
	}
	return found, nil
}

// instance reads the metadata of an instance.
func (s *site) instance(ctx context.Context, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	client, err := metadata.NewForConfig(s.Config())
	if err != nil {
		return nil, err
	}
	return client.Resource(install.Resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
}
