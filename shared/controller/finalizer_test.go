package controller

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// deletedWorld has a settled instance with two volumes, one of them of a server that was scaled away, and deletes it.
func deletedWorld(t *testing.T, policy v1.DeletionPolicy) *world {
	w := newWorld(t, newInstance(func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = policy }))
	w.settle()
	for _, claim := range []*corev1.PersistentVolumeClaim{newClaim(newInstance(), 0, "10Gi"), newClaim(newInstance(), 3, "10Gi")} {
		if err := w.server.Create(t.Context(), claim); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.server.Delete(t.Context(), w.instance()); err != nil {
		t.Fatal(err)
	}
	w.forget()
	return w
}

func TestDeletionPolicyDelete(t *testing.T) {
	w := deletedWorld(t, v1.DeletionDelete)
	w.settle()
	left := []string{}
	for _, gone := range []struct {
		object client.Object
		name   string
	}{
		{&corev1.PersistentVolumeClaim{}, "data-db-0"}, {&corev1.PersistentVolumeClaim{}, "data-db-3"},
		{&appsv1.StatefulSet{}, "db"}, {&v1.MySQLInstance{}, "db"},
	} {
		if w.exists(gone.object, gone.name) {
			left = append(left, gone.name)
		}
	}
	if len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

// TestVolumesWaitForTheServers: a volume goes only after the StatefulSet that would make it anew.
func TestVolumesWaitForTheServers(t *testing.T) {
	w := deletedWorld(t, v1.DeletionDelete)
	set := &appsv1.StatefulSet{}
	w.get(set, "db")
	set.Finalizers = []string{metav1.FinalizerDeleteDependents}
	if err := w.server.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if !w.exists(&corev1.PersistentVolumeClaim{}, "data-db-0") || !w.exists(&v1.MySQLInstance{}, "db") {
		t.Fatal("a volume or the instance is gone while the servers are not")
	}
	progressing := meta.FindStatusCondition(w.instance().Status.Conditions, v1.ConditionProgressing)
	if progressing.Reason != ReasonDeleting || !strings.Contains(progressing.Message, "StatefulSet db") {
		t.Errorf("Progressing says %s: %s", progressing.Reason, progressing.Message)
	}
	w.get(set, "db")
	set.Finalizers = nil
	if err := w.server.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if w.exists(&corev1.PersistentVolumeClaim{}, "data-db-0") || w.exists(&v1.MySQLInstance{}, "db") {
		t.Error("a volume or the instance is left")
	}
}

func TestTheInstanceWaitsForItsVolumes(t *testing.T) {
	w := deletedWorld(t, v1.DeletionDelete)
	claim := &corev1.PersistentVolumeClaim{}
	w.get(claim, "data-db-3")
	claim.Finalizers = []string{"kubernetes.io/pvc-protection"}
	if err := w.server.Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	w.settle()
	progressing := meta.FindStatusCondition(w.instance().Status.Conditions, v1.ConditionProgressing)
	if got, want := progressing.Message, "waiting for the volumes to be deleted: data-db-3"; got != want {
		t.Errorf("Progressing says %q, want %q", got, want)
	}
	w.get(claim, "data-db-3")
	claim.Finalizers = nil
	if err := w.server.Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if w.exists(&v1.MySQLInstance{}, "db") {
		t.Error("the instance is left")
	}
}

func TestDeletionPolicyRetain(t *testing.T) {
	w := deletedWorld(t, v1.DeletionRetain)
	set := &appsv1.StatefulSet{}
	w.get(set, "db")
	set.UID = "set-uid"
	if err := w.server.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	claim := &corev1.PersistentVolumeClaim{}
	w.get(claim, "data-db-0")
	claim.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", UID: "set-uid"},
		{APIVersion: "v1", Kind: "ConfigMap", Name: "somebody", UID: "other"},
	}
	if err := w.server.Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if w.exists(&v1.MySQLInstance{}, "db") {
		t.Error("the instance is left")
	}
	w.get(claim, "data-db-0")
	want := []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "somebody", UID: "other"}}
	if diff := cmp.Diff(want, claim.OwnerReferences); diff != "" {
		t.Errorf("owners of the volume (-want +got):\n%s", diff)
	}
	w.get(claim, "data-db-3")
	secret := &corev1.Secret{}
	w.get(secret, "db-root")
	if len(secret.OwnerReferences) > 0 {
		t.Errorf("the password would go with the instance: %v", secret.OwnerReferences)
	}
}

// TestThePolicyMayChangeLate: Retain after Delete takes the owner away from the password.
func TestThePolicyMayChangeLate(t *testing.T) {
	w := newWorld(t, newInstance(func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = v1.DeletionDelete }))
	w.settle()
	instance := w.instance()
	instance.Spec.DeletionPolicy = v1.DeletionRetain
	if err := w.server.Update(t.Context(), instance); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Delete(t.Context(), instance); err != nil {
		t.Fatal(err)
	}
	w.settle()
	secret := &corev1.Secret{}
	w.get(secret, "db-root")
	if len(secret.OwnerReferences) > 0 {
		t.Errorf("the password would go with the instance: %v", secret.OwnerReferences)
	}
}

// TestOtherVolumesAreLeftAlone, whatever labels they carry.
func TestOtherVolumesAreLeftAlone(t *testing.T) {
	w := deletedWorld(t, v1.DeletionDelete)
	other := newClaim(newInstance(), 0, "10Gi")
	other.Name = "my-own-copy"
	if err := w.server.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if !w.exists(&corev1.PersistentVolumeClaim{}, "my-own-copy") {
		t.Error("a volume of somebody else was deleted")
	}
}

// TestForeignFinalizersStay: only the controller's own is its to remove.
func TestForeignFinalizersStay(t *testing.T) {
	w := newWorld(t, newInstance(deleting(v1.DeletionRetain), func(i *v1.MySQLInstance) {
		i.Finalizers = append(i.Finalizers, "example.com/backup")
	}))
	w.settle()
	if got := w.instance().Finalizers; !slices.Equal(got, []string{"example.com/backup"}) {
		t.Errorf("finalizers are %v, want example.com/backup", got)
	}
	w.forget()
	if _, err := w.reconcile(); err != nil || len(w.writes) > 0 {
		t.Errorf("an instance that is none of the controller's any more: error %v, writes %v", err, w.writes)
	}
}

// TestADeletedInstanceGetsNoChildren, not even if it never had any.
func TestADeletedInstanceGetsNoChildren(t *testing.T) {
	w := newWorld(t, newInstance(deleting(v1.DeletionDelete)))
	w.settle()
	if objects := w.snapshot(); len(objects) > 0 {
		t.Errorf("something was made: %v", objects)
	}
}
