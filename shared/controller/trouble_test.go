package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// TestFailureAtAnyWrite fails each write of a run once, before it is done and after (a crash, or an answer that got
// lost), and wants the same end as without a failure.
func TestFailureAtAnyWrite(t *testing.T) {
	start := map[string]func() []client.Object{
		"a new instance":        func() []client.Object { return []client.Object{newInstance()} },
		"with all that differs": func() []client.Object { return []client.Object{newInstance(elaborate), rootPassword(), certificate()} },
		"deleted, with Delete": func() []client.Object {
			return append(backupChildren(), newInstance(deleting(v1.DeletionDelete)), newClaim(newInstance(), 0, "10Gi"))
		},
		"without backups any more": func() []client.Object { return append(backupChildren(), newInstance()) },
		"deleted, with Retain": func() []client.Object {
			return []client.Object{newInstance(deleting(v1.DeletionRetain)), ownedClaim()}
		},
	}
	for name, objects := range start {
		t.Run(name, func(t *testing.T) {
			undisturbed := newWorld(t, objects()...)
			all := undisturbed.converge()
			if len(all) == 0 {
				t.Fatal("nothing is written")
			}
			want := undisturbed.snapshot()
			for i, write := range all {
				for _, done := range []bool{false, true} {
					t.Run(fmt.Sprintf("%02d %s, done %v", i, write, done), func(t *testing.T) {
						w := newWorld(t, objects()...)
						count, failed := 0, errors.New("the connection was lost")
						fail := func(string) error {
							if count++; count == i+1 {
								return failed
							}
							return nil
						}
						if done {
							w.after = fail
						} else {
							w.before = fail
						}
						w.converge()
						if count <= i {
							t.Fatalf("write %d was never reached", i)
						}
						if diff := cmp.Diff(want, w.snapshot(), cmpopts.EquateEmpty()); diff != "" {
							t.Errorf("ends otherwise than without a failure (-want +got):\n%s", diff)
						}
					})
				}
			}
		})
	}
}

// converge reconciles through failures until a pass neither fails nor writes, and returns all writes.
func (w *world) converge() []string {
	w.t.Helper()
	var all []string
	for range 30 {
		w.forget()
		_, err := w.reconcile()
		all = append(all, w.writes...)
		if err == nil && len(w.writes) == 0 {
			return all
		}
	}
	w.t.Fatalf("does not settle; last writes %v", w.writes)
	return nil
}

func deleting(policy v1.DeletionPolicy) func(*v1.MySQLInstance) {
	return func(i *v1.MySQLInstance) {
		i.Spec.DeletionPolicy = policy
		i.Finalizers = []string{VolumesFinalizer}
		i.DeletionTimestamp = &metav1.Time{Time: testTime}
	}
}

func ownedClaim() *corev1.PersistentVolumeClaim {
	claim := newClaim(newInstance(), 0, "10Gi")
	claim.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "mysql.example.com/v1", Kind: "MySQLInstance", Name: "db", UID: "instance-uid"},
		{APIVersion: "v1", Kind: "ConfigMap", Name: "somebody", UID: "other"},
	}
	return claim
}

func rootPassword() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "given", Namespace: "shop", UID: "given-uid"},
		Data:       map[string][]byte{"root": []byte("secret")},
	}
}

func certificate() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "certificate", Namespace: "shop"},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{"tls.crt": []byte("certificate"), "tls.key": []byte("key")},
	}
}

func TestSecretsThatAreNotThere(t *testing.T) {
	noKey := rootPassword()
	noKey.Data = map[string][]byte{"other": []byte("x")}
	noCertificate := certificate()
	delete(noCertificate.Data, "tls.crt")
	tests := map[string]struct {
		objects    []client.Object
		wantReason string
	}{
		"no credentials":           {[]client.Object{certificate()}, ReasonSecretNotFound},
		"credentials without key":  {[]client.Object{noKey, certificate()}, ReasonSecretKeyNotFound},
		"no certificate":           {[]client.Object{rootPassword()}, ReasonSecretNotFound},
		"TLS Secret without a key": {[]client.Object{rootPassword(), noCertificate}, ReasonSecretKeyNotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, append(test.objects, newInstance(elaborate))...)
			w.settle()
			if got := w.condition(v1.ConditionProgressing); got != "False "+test.wantReason {
				t.Errorf("Progressing is %q, want False %s", got, test.wantReason)
			}
			if w.exists(&appsv1.StatefulSet{}, "db") {
				t.Error("the servers were started without their Secrets")
			}
			for _, o := range test.objects {
				if err := w.server.Delete(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			for _, o := range []client.Object{rootPassword(), certificate()} {
				if err := w.server.Create(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			w.settle()
			if !w.exists(&appsv1.StatefulSet{}, "db") {
				t.Error("the servers were not started once the Secrets were there")
			}
		})
	}
}

func TestAnInvalidInstanceIsLeftAsItIs(t *testing.T) {
	w := newWorld(t, newInstance())
	w.settle()
	before := &appsv1.StatefulSet{}
	w.get(before, "db")
	w.reconciler.Validate = func(*v1.MySQLInstance) field.ErrorList {
		return field.ErrorList{field.Invalid(field.NewPath("spec", "version"), "9.9.9", "is not supported")}
	}
	instance := w.instance()
	instance.Spec.Version = "9.9.9"
	if err := w.server.Update(t.Context(), instance); err != nil {
		t.Fatal(err)
	}
	w.settle()
	after := &appsv1.StatefulSet{}
	w.get(after, "db")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the StatefulSet was changed:\n%s", diff)
	}
	ready := meta.FindStatusCondition(w.instance().Status.Conditions, v1.ConditionReady)
	if ready.Reason != ReasonInvalidSpec || !strings.Contains(ready.Message, "spec.version") {
		t.Errorf("Ready says %s: %s, want the field", ready.Reason, ready.Message)
	}
}

// TestARefusedChildIsReported, for what the API server says no to for good, and only for that.
func TestARefusedChildIsReported(t *testing.T) {
	sets := schema.GroupResource{Group: "apps", Resource: "statefulsets"}
	tests := map[string]struct {
		err        error
		wantErr    bool
		wantReason string
	}{
		"an answer that stays the same": {
			err: apierrors.NewInvalid(schema.GroupKind{Kind: "StatefulSet"}, "db", nil), wantReason: "False ChildRefused",
		},
		"forbidden by a quota": {err: apierrors.NewForbidden(sets, "db", errors.New("exceeded quota")), wantReason: "False ChildRefused"},
		"server does not answer": {
			err: apierrors.NewServiceUnavailable("overloaded"), wantErr: true, wantReason: "True Applying",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newInstance())
			w.before = func(write string) error {
				if write == "apply StatefulSet db" {
					return test.err
				}
				return nil
			}
			if _, err := w.reconcile(); (err != nil) != test.wantErr {
				t.Errorf("got error %v, want one: %v", err, test.wantErr)
			}
			if got := w.condition(v1.ConditionProgressing); got != test.wantReason {
				t.Errorf("Progressing is %q, want %q", got, test.wantReason)
			}
		})
	}
}

// TestWhatCannotBeBesideTheControllersFieldsGoes: the API server refuses an apply that would leave two ports of one name.
func TestWhatCannotBeBesideTheControllersFieldsGoes(t *testing.T) {
	w := newWorld(t, newInstance())
	w.settle()
	want := w.snapshot()
	meddle(w, &corev1.Service{}, "db-primary", func(o *corev1.Service) { o.Spec.Ports[0].Port = 9999 })
	refused := false
	w.before = func(write string) error {
		if write != "apply Service db-primary" || refused {
			return nil
		}
		refused = true
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "db-primary", field.ErrorList{
			field.Duplicate(field.NewPath("spec", "ports").Index(1).Child("name"), mysqlPortName)})
	}
	w.settle()
	if !refused {
		t.Fatal("the Service was not applied")
	}
	if diff := cmp.Diff(want, w.snapshot(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("not as before (-want +got):\n%s", diff)
	}
}

// TestTheAPIGoesAway: a server that does not answer costs nothing but the writes to it.
func TestTheAPIGoesAway(t *testing.T) {
	w := newWorld(t, newInstance())
	w.settle()
	before := w.snapshot()
	w.before = func(string) error {
		return apierrors.NewServiceUnavailable("the server is currently unable to handle the request")
	}
	service := &corev1.Service{}
	w.get(service, "db-read")
	if err := w.server.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.reconcile(); !apierrors.IsServiceUnavailable(err) {
			t.Fatalf("got %v, want the server's error, to be tried again", err)
		}
	}
	if i := slices.IndexFunc(w.writes, func(write string) bool { return strings.HasPrefix(write, "delete") }); i >= 0 {
		t.Errorf("something was deleted: %s", w.writes[i])
	}
	w.before = nil
	w.settle()
	if diff := cmp.Diff(before, w.snapshot(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("not as before once the server is back (-want +got):\n%s", diff)
	}
}

func TestATerminatingNamespaceIsNoFault(t *testing.T) {
	w := newWorld(t, newInstance())
	w.before = func(write string) error {
		if !strings.HasPrefix(write, "create") {
			return nil
		}
		err := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "db-root", errors.New("namespace is terminating"))
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
		return err
	}
	if result, err := w.reconcile(); err != nil || result != (reconcile.Result{}) {
		t.Errorf("got %v, %v; want nothing", result, err)
	}
}

func TestConflictsAreQuiet(t *testing.T) {
	instances := schema.GroupResource{Group: v1.GroupName, Resource: "mysqlinstances"}
	tests := map[string]struct {
		err       error
		wantErr   bool
		wantAgain bool
	}{
		"conflict": {err: fmt.Errorf("could not: %w", apierrors.NewConflict(instances, "db", errors.New("changed"))), wantAgain: true},
		"other":    {err: errors.New("other"), wantErr: true},
		"none":     {},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			quiet := conflictsAreQuiet(reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
				return reconcile.Result{}, test.err
			}))
			result, err := quiet.Reconcile(log.IntoContext(t.Context(), logr.Discard()), reconcile.Request{})
			if (err != nil) != test.wantErr || (result.RequeueAfter > 0) != test.wantAgain {
				t.Errorf("got %v, %v", result, err)
			}
		})
	}
}
