package behaviour

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var storageRows = []Row{
	{
		ID: "E6", Group: Storage, Title: "An object that is too large to store",
		Why:    "The limit is etcd's, so it comes as a server's error, not as the client's mistake.",
		Source: "etcd --max-request-bytes; kueue#10553", Flag: Parity,
		Expect: Both("1.6 MiB 500 without a reason, etcd says that it is too large"),
		Probe:  tooLarge,
	},
	{
		ID: "E8", Group: Storage, Title: "Finalizers",
		Why:    "They are how a controller cleans up outside the cluster before the object is gone.",
		Source: "api-concepts, Resource deletion; custom storage has to do it itself", Flag: Parity,
		Expect: Both("deleted 200 and still there with a deletionTimestamp, a new finalizer 422 Invalid: " +
			"metadata.finalizers, gone when the finalizer is"),
		Probe: finalizers,
	},
	{
		ID: "E9", Group: Storage, Title: "Garbage collection by owner",
		Why:    "Deleting an instance must take its Secrets, Services and StatefulSets along, or keep them if asked.",
		Source: "garbage-collection; the collector watches every kind that discovery lists", Flag: Parity,
		Labels: []string{Slow},
		Expect: Both("background: child gone; foreground: child gone before its owner; orphan: child stays without an owner"),
		Probe:  ownerCollection,
	},
	{
		ID: "E10", Group: Storage, Title: "Deleting a namespace deletes its objects",
		Why:    "A namespace that comes back with the old objects in it is a leak between its users.",
		Source: "kubernetes pkg/controller/namespace/deletion", Flag: Parity, Labels: []string{Slow},
		Expect: Both("namespace gone, 0 of 3 objects in one of the same name"),
		Probe:  namespaceDeletion,
	},
	{
		ID: "H10", Group: Operations, Title: "ResourceQuota on the number of objects",
		Why: "A quota that is counted but not enforced looks right until somebody fills the cluster.",
		Source: "resource-quotas: kube-apiserver does not enforce it for an aggregated API (rancher#52602); " +
			"this server runs the library's quota plugin itself",
		Flag: Parity, Labels: []string{Slow},
		Expect: Both("first 201, second 403 Forbidden, used 1 of 1"),
		Probe:  quota,
	},
}

func tooLarge(ctx context.Context, s *Subject) (Observation, error) {
	// Everything in the spec has a bound and annotations have one together: finalizers are what has none.
	var names []any
	for i := range 5400 {
		names = append(names, fmt.Sprintf("%s.example.com/%04d", strings.Repeat("abcdefgh.", 25)+"x", i)+
			strings.Repeat("x", 55))
	}
	s.afterwards(s.release)
	answer, err := s.post(ctx, s.path(), fixture.Instance("db", fixture.With("metadata.finalizers", names)))
	if err != nil {
		return Observation{}, err
	}
	reason := "nothing says why"
	if status := answer.Status(); status != nil && strings.Contains(status.Message, "request is too large") {
		reason = "etcd says that it is too large"
	}
	return observed("1.6 MiB %s, %s", answer.Verdict(), reason)
}

func finalizers(ctx context.Context, s *Subject) (Observation, error) {
	const ours = "duet.example.com/probe"
	s.afterwards(s.release)
	if _, err := s.create(ctx, fixture.Instance("db", fixture.With("metadata.finalizers", []any{ours}))); err != nil {
		return Observation{}, err
	}
	deleted, err := s.delete(ctx, s.path("db"), nil)
	if err != nil {
		return Observation{}, err
	}
	held, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	added, err := s.patch(ctx, s.path("db"), fmt.Sprintf(`{"metadata":{"finalizers":[%q,%q]}}`, ours, ours+"-2"),
		wire.PatchType(types.MergePatchType))
	if err != nil {
		return Observation{}, err
	}
	if err := s.release(ctx); err != nil {
		return Observation{}, err
	}
	if _, err := s.awaitGone(ctx, "db"); err != nil {
		return Observation{}, err
	}
	// The controller may hold it as well, with a finalizer of its own.
	going := held.GetDeletionTimestamp() != nil && slices.Contains(held.GetFinalizers(), ours)
	return observed("deleted %s and still there %s a deletionTimestamp, a new finalizer %s, gone when the finalizer is",
		deleted.Verdict(), choose(going, "with", "without"), added.Verdict())
}

func ownerCollection(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	for _, policy := range []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
	} {
		if err := s.family(ctx, client, strings.ToLower(string(policy))); err != nil {
			return Observation{}, err
		}
		_, err := stored(s.delete(ctx, s.path(strings.ToLower(string(policy))), map[string]any{
			"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy,
		}))
		if err != nil {
			return Observation{}, err
		}
	}
	children := client.CoreV1().ConfigMaps(s.Namespace)
	childGone := func(name string) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			_, err := children.Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		}
	}
	if err := eventually(ctx, "the child go", childGone("background")); err != nil {
		return Observation{}, err
	}
	if _, err := s.awaitGone(ctx, "foreground"); err != nil {
		return Observation{}, err
	}
	childWasGone, err := childGone("foreground")(ctx)
	if err != nil {
		return Observation{}, err
	}
	if _, err := s.awaitGone(ctx, "orphan"); err != nil {
		return Observation{}, err
	}
	orphan, err := children.Get(ctx, "orphan", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return Observation{}, fmt.Errorf("could not read the orphan: %w", err)
	}
	fate := "stays with an owner"
	switch {
	case err != nil:
		fate = "is gone"
	case len(orphan.OwnerReferences) == 0:
		fate = "stays without an owner"
	}
	return observed("background: child gone; foreground: child %s; orphan: child %s",
		choose(childWasGone, "gone before its owner", "outlives its owner"), fate)
}

// family creates an instance and a ConfigMap of the same name that it owns.
func (s *Subject) family(ctx context.Context, client kubernetes.Interface, name string) error {
	owner, err := s.create(ctx, fixture.Instance(name))
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ConfigMaps(s.Namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: name, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, owner.GroupVersionKind())},
	}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not create the child: %w", err)
	}
	return nil
}

func namespaceDeletion(ctx context.Context, s *Subject) (Observation, error) {
	const count = 3
	for i := range count {
		if _, err := s.create(ctx, fixture.Instance(fmt.Sprintf("db-%d", i))); err != nil {
			return Observation{}, err
		}
	}
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	if err := removeNamespace(ctx, client, s.Namespace); err != nil {
		return Observation{}, err
	}
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create the namespace again: %w", err)
	}
	list, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return Observation{}, err
	}
	return observed("namespace gone, %d of %d objects in one of the same name", len(namesIn(list)), count)
}

func quota(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	counted := corev1.ResourceName("count/" + fixture.GVR.GroupResource().String())
	quotas := client.CoreV1().ResourceQuotas(s.Namespace)
	used := func(ctx context.Context, wanted int64) (bool, error) {
		current, err := quotas.Get(ctx, "one", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		allowed, amount := current.Status.Hard[counted], current.Status.Used[counted]
		_, counts := current.Status.Used[counted]
		return counts && allowed.Value() == 1 && amount.Value() == wanted, nil
	}
	// The controller looks for new kinds every half minute, and ignores what a quota says about a kind that it has not
	// found yet. It reads a quota again when what it allows has changed, so that is changed until it counts.
	err = wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		if inForce, err := used(ctx, 0); inForce || err != nil {
			return inForce, err
		}
		for _, hard := range []string{"2", "1"} {
			_, err := quotas.Apply(ctx, corev1ac.ResourceQuota("one", s.Namespace).WithSpec(
				corev1ac.ResourceQuotaSpec().WithHard(corev1.ResourceList{counted: resource.MustParse(hard)}),
			), metav1.ApplyOptions{FieldManager: "duet-matrix", Force: true})
			if err != nil {
				return false, err
			}
		}
		return false, nil
	})
	if err != nil {
		return Observation{}, fmt.Errorf("could not see the quota in force: %w", err)
	}
	first, err := s.post(ctx, s.path(), fixture.Instance("first"))
	if err != nil {
		return Observation{}, err
	}
	second, err := s.post(ctx, s.path(), fixture.Instance("second"))
	if err != nil {
		return Observation{}, err
	}
	list, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return Observation{}, err
	}
	stored := len(namesIn(list))
	err = eventually(ctx, "the quota count the objects", func(ctx context.Context) (bool, error) {
		return used(ctx, int64(stored))
	})
	if err != nil {
		return Observation{}, err
	}
	return observed("first %s, second %s, used %d of 1", first.Verdict(), second.Verdict(), stored)
}
