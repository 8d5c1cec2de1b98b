package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
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

// The types are the same in every world, and take longer to put together than most tests take.
var (
	testScheme = NewScheme()
	testMapper = testrestmapper.TestOnlyStaticRESTMapper(testScheme)
)

func newWorld(t *testing.T, objects ...client.Object) *world {
	w := &world{t: t, recorder: events.NewFakeRecorder(1000)}
	w.server = fake.NewClientBuilder().WithScheme(testScheme).WithRESTMapper(testMapper).WithObjects(objects...).
		WithStatusSubresource(&v1.MySQLInstance{}).WithReturnManagedFields().Build()
	w.reconciler = &Reconciler{
		Client: interceptor.NewClient(w.server, interceptor.Funcs{
			// What the manager's cache does not hold, the reconciler must not see in it.
			Get: func(
				ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption,
			) error {
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
		if err := json.Unmarshal(managed[i].FieldsV1.GetRawBytes(), &fields); err != nil {
			return err
		}
		delete(fields, "f:status")
		raw, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		managed[i].FieldsV1.SetRawBytes(raw)
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
	key := client.ObjectKey{Namespace: "shop", Name: "db"}
	return w.reconciler.Reconcile(log.IntoContext(w.t.Context(), logr.Discard()), reconcile.Request{NamespacedName: key})
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
		&batchv1.CronJobList{}, &batchv1.JobList{},
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
