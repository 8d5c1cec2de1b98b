package controller

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	mysqlv1ac "github.com/duet-api/duet/shared/client/applyconfiguration/mysql/v1"
)

func TestForeignChangesAreUndone(t *testing.T) {
	tests := map[string]func(*world){
		"a setting in the option file": func(w *world) {
			meddle(w, &corev1.ConfigMap{}, "db-config", func(o *corev1.ConfigMap) { o.Data["my.cnf"] = "[mysqld]\n" })
		},
		"the port of a Service": func(w *world) {
			meddle(w, &corev1.Service{}, "db-primary", func(o *corev1.Service) { o.Spec.Ports[0].TargetPort.StrVal = "other" })
		},
		"the number of servers": func(w *world) {
			meddle(w, &appsv1.StatefulSet{}, "db", func(o *appsv1.StatefulSet) { o.Spec.Replicas = new(int32(7)) })
		},
		"an environment variable of the server": func(w *world) {
			meddle(w, &appsv1.StatefulSet{}, "db", func(o *appsv1.StatefulSet) {
				o.Spec.Template.Spec.Containers[0].Env[2].ValueFrom.SecretKeyRef.Name = "other"
			})
		},
		"the labels, which hides a child from the cache": func(w *world) {
			meddle(w, &policyv1.PodDisruptionBudget{}, "db", func(o *policyv1.PodDisruptionBudget) { o.Labels = nil })
		},
		"the owner": func(w *world) {
			meddle(w, &corev1.Service{}, "db-read", func(o *corev1.Service) { o.OwnerReferences = nil })
		},
		"a label of the generated Secret": func(w *world) {
			meddle(w, &corev1.Secret{}, "db-root", func(o *corev1.Secret) { delete(o.Labels, labelName) })
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newInstance())
			w.settle()
			want := w.snapshot()
			change(w)
			if _, err := w.reconcile(); err != nil {
				t.Fatal(err)
			}
			if len(w.writes) == 0 {
				t.Fatal("nothing was written")
			}
			w.settle()
			if diff := cmp.Diff(want, w.snapshot(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("not as before (-want +got):\n%s", diff)
			}
		})
	}
}

// TestForeignFieldsAreLeftAlone: the controller owns fields, not objects.
func TestForeignFieldsAreLeftAlone(t *testing.T) {
	w := newWorld(t, newInstance())
	w.settle()
	meddle(w, &corev1.Service{}, "db-primary", func(o *corev1.Service) {
		o.Annotations = map[string]string{"example.com/balancer": "internal"}
	})
	w.forget()
	if _, err := w.reconcile(); err != nil || len(w.writes) > 0 {
		t.Errorf("got error %v, writes %v; want none", err, w.writes)
	}
}

// TestForeignConditionsAreNotSent: what the controller's cache has of somebody's condition may be old, and sending it
// would put it back. (The fake server takes a list for one value, so that what is sent is looked at.)
func TestForeignConditionsAreNotSent(t *testing.T) {
	w := newWorld(t, newInstance())
	w.settle()
	cached := w.instance()
	cached.Status.Conditions = append(cached.Status.Conditions, metav1.Condition{
		Type: "Foreign", Status: metav1.ConditionTrue, Reason: "Told", Message: "old",
	})
	var sent []string
	w.reconciler.Client = interceptor.NewClient(w.server, interceptor.Funcs{SubResourceApply: func(
		_ context.Context, _ client.Client, _ string, o runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption,
	) error {
		for _, c := range o.(*mysqlv1ac.MySQLInstanceApplyConfiguration).Status.Conditions {
			sent = append(sent, *c.Type)
		}
		return nil
	}})
	status := *cached.Status.DeepCopy()
	status.ReadyReplicas++
	if err := w.reconciler.writeStatus(t.Context(), cached, status); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(ownConditions)), slices.Sorted(slices.Values(sent))); diff != "" {
		t.Errorf("the conditions that are sent (-want +got):\n%s", diff)
	}
}

func TestDeletedChildrenComeBack(t *testing.T) {
	for name, child := range map[string]client.Object{
		"db-config": &corev1.ConfigMap{}, "db-primary": &corev1.Service{}, "db-read": &corev1.Service{},
		"db-headless": &corev1.Service{}, "db": &appsv1.StatefulSet{},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newInstance())
			w.settle()
			want := w.snapshot()
			w.get(child, name)
			if err := w.server.Delete(t.Context(), child); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if diff := cmp.Diff(want, w.snapshot(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("not as before (-want +got):\n%s", diff)
			}
		})
	}
}

func TestThePasswordIsNeverRewritten(t *testing.T) {
	w := newWorld(t, newInstance())
	w.settle()
	first := &corev1.Secret{}
	w.get(first, "db-root")
	if got := len(first.Data["password"]); got != 32 {
		t.Errorf("the password has %d characters, want 32", got)
	}
	meddle(w, first, "db-root", func(o *corev1.Secret) {
		o.Data["password"] = []byte("rotated by its owner")
		o.Labels = nil // and no longer visible in the cache
	})
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	// A Secret that nothing marks as the controller's is not taken over either.
	if got := w.condition(v1.ConditionProgressing); got != "False ChildNotOwned" {
		t.Errorf("Progressing is %q, want False ChildNotOwned", got)
	}
	after := &corev1.Secret{}
	w.get(after, "db-root")
	if got := string(after.Data["password"]); got != "rotated by its owner" {
		t.Errorf("the password became %q", got)
	}
}

// TestPasswordOfOtherData: MySQL reads the password while it makes its data. Data that was made with another one must
// not be reported as obeying the spec.
func TestPasswordOfOtherData(t *testing.T) {
	claim := newClaim(newInstance(), 0, "10Gi")
	claim.Annotations = map[string]string{annotationRootSecret: "db-root/password/an-earlier-uid"}
	w := newWorld(t, newInstance(), claim)
	w.settle()
	if got := w.condition(v1.ConditionConfigurationApplied); got != "False FieldsNotObeyed" {
		t.Errorf("ConfigurationApplied is %q, want False FieldsNotObeyed", got)
	}
}

func TestForeignObjectsAreNotTakenOver(t *testing.T) {
	foreign := metav1.ObjectMeta{Namespace: "shop"}
	named := func(name string) metav1.ObjectMeta { m := foreign; m.Name = name; return m }
	earlier := named("db")
	earlier.Labels = selectorLabels(newInstance())
	earlier.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "mysql.example.com/v1", Kind: "MySQLInstance", Name: "db", UID: "earlier-uid", Controller: new(true),
	}}
	other := named("db-config")
	other.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "Deployment", Name: "shop", UID: "deployment", Controller: new(true),
	}}
	tests := map[string]struct {
		object     client.Object
		wantReason string
	}{
		"somebody's Secret":         {&corev1.Secret{ObjectMeta: named("db-root"), Data: map[string][]byte{"password": []byte("x")}}, ReasonChildNotOwned},
		"somebody's Service":        {&corev1.Service{ObjectMeta: named("db-primary")}, ReasonChildNotOwned},
		"a Deployment's ConfigMap":  {&corev1.ConfigMap{ObjectMeta: other}, ReasonChildNotOwned},
		"an earlier instance's set": {&appsv1.StatefulSet{ObjectMeta: earlier}, ReasonWaitingForGarbageCollection},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newInstance(), test.object)
			before := test.object.DeepCopyObject().(client.Object)
			w.get(before, test.object.GetName())
			for range 3 {
				result, err := w.reconcile()
				if err != nil {
					t.Fatal(err)
				}
				if result.RequeueAfter != blockedRetry {
					t.Errorf("looks again after %s, want %s", result.RequeueAfter, blockedRetry)
				}
			}
			if got := w.condition(v1.ConditionReady); got != "False "+test.wantReason {
				t.Errorf("Ready is %q, want False %s", got, test.wantReason)
			}
			after := test.object.DeepCopyObject().(client.Object)
			w.get(after, test.object.GetName())
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the object was changed:\n%s", diff)
			}
			if err := w.server.Delete(t.Context(), after); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if got := w.condition(v1.ConditionProgressing); got != "True Scaling" {
				t.Errorf("Progressing is %q once the name is free, want True Scaling", got)
			}
		})
	}
}

func TestARetainedSecretIsAdopted(t *testing.T) {
	retained := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "db-root", Namespace: "shop", UID: "kept", Labels: selectorLabels(newInstance())},
		Data:       map[string][]byte{"password": []byte("of the retained data")},
	}
	w := newWorld(t, newInstance(func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = v1.DeletionDelete }), retained)
	w.settle()
	secret := &corev1.Secret{}
	w.get(secret, "db-root")
	if string(secret.Data["password"]) != "of the retained data" || !metav1.IsControlledBy(secret, newInstance()) {
		t.Errorf("the retained Secret became %v, owned by %v", secret.Data, secret.OwnerReferences)
	}
}
