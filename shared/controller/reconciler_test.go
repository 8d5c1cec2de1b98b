package controller

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

func TestReconcileMakesTheChildrenAndSettles(t *testing.T) {
	w := newWorld(t, newInstance())
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"patch MySQLInstance db",
		"create Secret db-root",
		"create Secret db-accounts",
		"apply Secret db-root",
		"apply Secret db-accounts",
		"apply ConfigMap db-config",
		"apply Service db-headless",
		"apply Service db-primary",
		"apply Service db-read",
		"apply PodDisruptionBudget db",
		"apply StatefulSet db",
		"apply/status MySQLInstance db",
	}
	if diff := cmp.Diff(want, w.writes); diff != "" {
		t.Errorf("writes of the first pass (-want +got):\n%s", diff)
	}
	w.settle()
	w.forget()
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	if len(w.writes) > 0 {
		t.Errorf("a settled instance was written: %v", w.writes)
	}
	if got := w.condition(v1.ConditionProgressing); got != "True Scaling" {
		t.Errorf("Progressing is %q with no server yet, want True Scaling", got)
	}
}

func TestReconcileOwnsTheChildren(t *testing.T) {
	for policy, wantSecretOwners := range map[v1.DeletionPolicy]int{v1.DeletionRetain: 0, v1.DeletionDelete: 1} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t, newInstance(func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = policy }))
			w.settle()
			for key, object := range w.snapshot() {
				if strings.HasPrefix(key, "*v1.MySQLInstance") {
					continue
				}
				want := 1
				if strings.HasPrefix(key, "*v1.Secret") {
					want = wantSecretOwners
				}
				owners := object.(client.Object).GetOwnerReferences()
				if len(owners) != want {
					t.Errorf("%s has %d owners, want %d", key, len(owners), want)
				}
				for _, owner := range owners {
					if owner.UID != "instance-uid" || !*owner.Controller || !*owner.BlockOwnerDeletion {
						t.Errorf("%s is owned by %+v", key, owner)
					}
				}
			}
		})
	}
}

func TestReconcileOfNothing(t *testing.T) {
	w := newWorld(t)
	if result, err := w.reconcile(); err != nil || result != (reconcile.Result{}) || len(w.writes) > 0 {
		t.Errorf("got %v, %v, writes %v; want nothing", result, err, w.writes)
	}
}
