package switching_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/e2e/consistency"
	"github.com/duet-api/duet/e2e/fixture"
)

// Labels of the instances: a watch of one colour is left and entered again as instances change theirs.
const (
	colourLabel = "duet.example.com/colour"
	red, blue   = "red", "blue"
)

// heldFinalizer keeps the instances that are there all the time. Nobody deletes them.
const heldFinalizer = "duet.example.com/held"

// perNamespace is how many instances there are in a namespace, so that a watch of one has something to leave out.
const perNamespace = 25

// population is what is there all the time: instances with an owner, and with children of the controller and of a user.
type population struct {
	namespaces []string
	owners     map[string]types.UID // a ConfigMap in each namespace, which owns its instances
	objects    []consistency.Object
	// lengths of the steps of switches there, by form and step.
	lengths map[string]time.Duration
}

// populate makes the instances and their surroundings, and waits until the controller has acted on all of them.
func (l *load) populate(ctx context.Context) {
	GinkgoHelper()
	By(fmt.Sprintf("making %d instances", *objects))
	client, err := kubernetes.NewForConfig(l.config())
	Expect(err).NotTo(HaveOccurred())
	l.owners = map[string]types.UID{}
	for i := range max(2, *objects/perNamespace) {
		namespace, err := client.CoreV1().Namespaces().Create(ctx,
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: fmt.Sprintf("load-%d-", i)}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		owner, err := client.CoreV1().ConfigMaps(namespace.Name).Create(ctx,
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner-of-instances"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		l.namespaces = append(l.namespaces, namespace.Name)
		l.owners[namespace.Name] = owner.UID
	}
	for i := range *objects {
		namespace := l.namespaces[i%len(l.namespaces)]
		l.objects = append(l.objects, consistency.Object{Namespace: namespace, Name: fmt.Sprintf("db-%d", i)})
	}
	queue := make(chan consistency.Object)
	var makers sync.WaitGroup
	for i := range workers {
		makers.Go(func() {
			defer GinkgoRecover()
			maker := l.client(fmt.Sprintf("maker-%d", i), fixture.V1)
			for object := range queue {
				answer, err := maker.Create(ctx, l.instance(object, fixture.With("metadata.finalizers", []any{heldFinalizer})))
				Expect(err).NotTo(HaveOccurred())
				made, err := answer.Object()
				Expect(err).NotTo(HaveOccurred())
				_, err = client.CoreV1().ConfigMaps(object.Namespace).Create(ctx, child(made), metav1.CreateOptions{})
				Expect(err).NotTo(HaveOccurred())
			}
		})
	}
	for _, object := range l.objects {
		queue <- object
	}
	close(queue)
	makers.Wait()

	By("waiting for the controller")
	Eventually(l.unobserved).WithContext(ctx).WithTimeout(settling).Should(BeZero())
}

// instance is one of the population: stopped, so that it has all children but no pods, which nobody would run.
func (l *load) instance(object consistency.Object, edits ...fixture.Edit) *unstructured.Unstructured {
	owner := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "name": "owner-of-instances", "uid": string(l.owners[object.Namespace]),
	}
	return fixture.Instance(object.Name, append([]fixture.Edit{
		fixture.With("metadata.namespace", object.Namespace),
		fixture.With("metadata.labels", map[string]any{colourLabel: red}),
		fixture.With("metadata.ownerReferences", []any{owner}),
		fixture.With("spec.powerState", "Stopped"),
		fixture.With("spec.deletionPolicy", "Delete"),
		fixture.With("spec.maintenanceWindow", map[string]any{"day": "Sunday", "startTime": "03:00"}),
	}, edits...)...)
}

// child is what a user has the garbage collector delete with an instance.
func child(of *unstructured.Unstructured) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "of-" + of.GetName(), OwnerReferences: []metav1.OwnerReference{{
			APIVersion: of.GetAPIVersion(), Kind: of.GetKind(), Name: of.GetName(), UID: of.GetUID(),
		}},
	}}
}

// unobserved is how many instances the controller has not acted on in their newest generation.
func (l *load) unobserved(ctx context.Context) (int, error) {
	behind := 0
	for _, namespace := range l.namespaces {
		list, err := l.dynamic(fixture.V1).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return 0, err
		}
		for _, item := range list.Items {
			observed, _, err := unstructured.NestedInt64(item.Object, "status", "observedGeneration")
			if err != nil {
				return 0, err
			}
			if observed < item.GetGeneration() {
				behind++
			}
		}
	}
	return behind, nil
}
