package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/duet-api/duet/shared/api/mysql/v1"
)

// world is a fake API server, the reconciler that works on it, and a record of its writes.
type world struct {
	t          *testing.T
	server     client.WithWatch
	reconciler *Reconciler
	recorder   *events.FakeRecorder
	// writes are the writes that were tried since the last call of forget, as "verb Kind name".
	writes []string
	// before and after, if set, may fail a write before or after it is done.
	before, after func(write string) error
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	w := &world{t: t, recorder: events.NewFakeRecorder(1000)}
	w.server = fake.NewClientBuilder().WithScheme(NewScheme()).WithObjects(objects...).
		WithStatusSubresource(&v1.MySQLInstance{}).WithReturnManagedFields().Build()
	w.reconciler = &Reconciler{
		Client: interceptor.NewClient(w.server, interceptor.Funcs{
			// What the manager's cache does not hold, the reconciler must not see in it.
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if err := c.Get(ctx, key, o, opts...); err != nil {
					return err
				}
				if _, instance := o.(*v1.MySQLInstance); !instance && o.GetLabels()[LabelManagedBy] != FieldManager {
					return apierrors.NewNotFound(schema.GroupResource{Resource: "cached"}, key.Name)
				}
				return disownStatus(o)
			},
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				return w.write("create", o, func() error { return c.Create(ctx, o, opts...) })
			},
			Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
				return w.write("delete", o, func() error { return c.Delete(ctx, o, opts...) })
			},
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
				return w.write("patch", o, func() error { return c.Patch(ctx, o, p, opts...) })
			},
			Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
				return w.write("apply", o, func() error { return c.Apply(ctx, o, opts...) })
			},
			SubResourceApply: func(
				ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption,
			) error {
				return w.write("apply/"+sub, o, func() error { return c.SubResource(sub).Apply(ctx, o, opts...) })
			},
		}),
		Reader:          w.server,
		Validate:        func(*v1.MySQLInstance) field.ErrorList { return nil },
		ImageRepository: "mysql",
		Random:          constantReader{},
		Clock:           clocktesting.NewFakePassiveClock(testTime),
		Recorder:        w.recorder,
		Metrics:         NewMetrics(prometheus.NewRegistry()),
	}
	return w
}

// disownStatus does what a real API server does (reset fields) and the fake one does not: whoever applies an object
// through its main resource owns nothing of its status.
func disownStatus(o client.Object) error {
	managed := o.GetManagedFields()
	for i := range managed {
		if managed[i].FieldsV1 == nil || managed[i].Subresource != "" {
			continue
		}
		fields := map[string]any{}
		if err := json.Unmarshal(managed[i].FieldsV1.Raw, &fields); err != nil {
			return err
		}
		delete(fields, "f:status")
		raw, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		managed[i].FieldsV1.Raw = raw
	}
	o.SetManagedFields(managed)
	return nil
}

// constantReader draws the same password every time, so that runs can be compared.
type constantReader struct{}

func (constantReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}

func (w *world) write(verb string, object any, do func() error) error {
	var kind, name string
	switch o := object.(type) {
	case client.Object:
		gvks, _, err := w.server.Scheme().ObjectKinds(o)
		if err != nil {
			return err
		}
		kind, name = gvks[0].Kind, o.GetName()
	case interface {
		GetKind() *string
		GetName() *string
	}:
		kind, name = *o.GetKind(), *o.GetName()
	}
	write := fmt.Sprintf("%s %s %s", verb, kind, name)
	w.writes = append(w.writes, write)
	if w.before != nil {
		if err := w.before(write); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if w.after != nil {
		return w.after(write)
	}
	return nil
}

func (w *world) forget() { w.writes = nil }

func (w *world) reconcile() (reconcile.Result, error) {
	return w.reconciler.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: "db"}})
}

// settle reconciles until a pass writes nothing.
func (w *world) settle() {
	w.t.Helper()
	for range 10 {
		w.forget()
		if _, err := w.reconcile(); err != nil {
			w.t.Fatalf("could not reconcile: %v", err)
		}
		if len(w.writes) == 0 {
			return
		}
	}
	w.t.Fatalf("still writes after ten passes: %v", w.writes)
}

func (w *world) get(o client.Object, name string) {
	w.t.Helper()
	if err := w.server.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, o); err != nil {
		w.t.Fatalf("could not get %s: %v", name, err)
	}
}

func (w *world) exists(o client.Object, name string) bool {
	w.t.Helper()
	err := w.server.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatalf("could not get %s: %v", name, err)
	}
	return err == nil
}

func (w *world) instance() *v1.MySQLInstance {
	w.t.Helper()
	instance := &v1.MySQLInstance{}
	w.get(instance, "db")
	return instance
}

func (w *world) condition(kind string) string {
	w.t.Helper()
	c := meta.FindStatusCondition(w.instance().Status.Conditions, kind)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason
}

// snapshot is everything that the controller makes, without what differs from run to run.
func (w *world) snapshot() map[string]any {
	w.t.Helper()
	objects := map[string]any{}
	for _, list := range []client.ObjectList{
		&v1.MySQLInstanceList{}, &corev1.SecretList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{},
		&appsv1.StatefulSetList{}, &policyv1.PodDisruptionBudgetList{}, &corev1.PersistentVolumeClaimList{},
	} {
		if err := w.server.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
		err := meta.EachListItem(list, func(o runtime.Object) error {
			object := o.(client.Object)
			object.SetResourceVersion("")
			object.SetManagedFields(nil)
			objects[fmt.Sprintf("%T %s", object, object.GetName())] = object
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return objects
}

// meddle changes an object as somebody else does, who sends nothing but the change.
func meddle[O client.Object](w *world, o O, name string, change func(O)) {
	w.t.Helper()
	w.get(o, name)
	before := o.DeepCopyObject().(client.Object)
	change(o)
	if err := w.server.Patch(w.t.Context(), o, client.MergeFrom(before), client.FieldOwner("somebody")); err != nil {
		w.t.Fatalf("could not meddle with %s: %v", name, err)
	}
}

func TestReconcileMakesTheChildrenAndSettles(t *testing.T) {
	w := newWorld(t, newInstance())
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"patch MySQLInstance db",
		"create Secret db-root",
		"apply Secret db-root",
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

// TestFailureAtAnyWrite fails each write of a run once, before it is done and after (a crash, or an answer that got
// lost), and wants the same end as without a failure.
func TestFailureAtAnyWrite(t *testing.T) {
	start := map[string]func() []client.Object{
		"a new instance": func() []client.Object { return []client.Object{newInstance()} },
		"with deletionPolicy": func() []client.Object {
			return []client.Object{newInstance(deleting(v1.DeletionDelete)), newClaim(newInstance(), 0, "10Gi")}
		},
		"with Retain":           func() []client.Object { return []client.Object{newInstance(deleting(v1.DeletionRetain)), ownedClaim()} },
		"with all that differs": func() []client.Object { return []client.Object{newInstance(elaborate), rootPassword(), certificate()} },
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
			result, err := quiet.Reconcile(t.Context(), reconcile.Request{})
			if (err != nil) != test.wantErr || (result.RequeueAfter > 0) != test.wantAgain {
				t.Errorf("got %v, %v", result, err)
			}
		})
	}
}
