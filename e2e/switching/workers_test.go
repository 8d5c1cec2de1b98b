package switching_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/e2e/consistency"
	"github.com/duet-api/duet/e2e/fixture"
)

// A worker has a client in each version. What a request comes to is not its business: it is in the record.
type worker struct {
	*load
	random  *rand.Rand
	clients map[string]*consistency.Client
}

func (l *load) newWorker(name string, seed int) worker {
	clients := map[string]*consistency.Client{}
	for _, version := range []string{fixture.V1, fixture.V1alpha1} {
		clients[version] = l.client(name, version)
	}
	return worker{load: l, random: rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), uint64(seed))), clients: clients}
}

// version is one of the two, by chance.
func (w *worker) version() string {
	if w.random.IntN(2) == 0 {
		return fixture.V1
	}
	return fixture.V1alpha1
}

// hot is how many instances get half of the requests, so that writers meet.
const hot = 8

func (w *worker) object() consistency.Object {
	if w.random.IntN(2) == 0 {
		return w.objects[w.random.IntN(hot)]
	}
	return w.objects[w.random.IntN(len(w.objects))]
}

// writer changes instances as users and controllers do.
type writer struct {
	worker
	// made is an instance of the writer's own, which comes and goes.
	made *unstructured.Unstructured
}

func (l *load) newWriter(i int) *writer {
	return &writer{worker: l.newWorker(fmt.Sprintf("writer-%d", i), 2*i)}
}

// write sends one write, and what has to be read for it.
func (w *writer) write(ctx context.Context) {
	version, object := w.version(), w.object()
	client := w.clients[version]
	switch chance := w.random.IntN(100); {
	case chance < 35: // of metadata only
		_, _ = client.Patch(ctx, object, map[string]any{})
	case chance < 40: // which enters or leaves a watch
		colour := []string{red, blue}[w.random.IntN(2)]
		_, _ = client.Patch(ctx, object, map[string]any{"metadata": map[string]any{
			"labels": map[string]any{colourLabel: colour},
		}})
	case chance < 50: // of the spec, whatever it is
		_, _ = w.clients[fixture.V1].Patch(ctx, object, map[string]any{"spec": map[string]any{
			"maintenanceWindow": map[string]any{"startTime": w.clock()},
		}})
	case chance < 70: // of the spec as it was read
		if read := w.current(ctx, client, object); read != nil {
			w.edit(version, read)
			_, _ = client.Update(ctx, read)
		}
	case chance < 97: // of the status as it was read
		client = w.clients[fixture.V1]
		if read := w.current(ctx, client, object); read != nil {
			token := w.recorder.Token()
			tell(read, token)
			_, _ = client.UpdateStatus(ctx, read, token)
		}
	default:
		w.comeOrGo(ctx, client)
	}
}

// current is an object as it is now, or nil.
func (w *writer) current(
	ctx context.Context, client *consistency.Client, object consistency.Object,
) *unstructured.Unstructured {
	answer, err := client.Get(ctx, object, "")
	if err != nil || !answer.OK() {
		return nil
	}
	read, err := answer.Object()
	if err != nil {
		return nil
	}
	return read
}

func (w *writer) clock() string {
	return fmt.Sprintf("%02d:%02d", w.random.IntN(23), w.random.IntN(60))
}

// edit moves the maintenance window, which changes no child.
func (w *writer) edit(version string, object *unstructured.Unstructured) {
	begin := w.clock()
	if version == fixture.V1 {
		fixture.With("spec.maintenanceWindow.startTime", begin)(object)
		return
	}
	fixture.With("spec.maintenanceWindow", "Sun:"+begin+"-Mon:"+begin)(object)
}

// tell puts a token into the condition of the status that is the load's.
func tell(object *unstructured.Unstructured, token string) {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	kept := []any{map[string]any{
		"type": loadCondition, "status": "True", "reason": "Load", "message": token,
		"lastTransitionTime": "2026-01-01T00:00:00Z",
	}}
	for _, item := range conditions {
		if condition, ok := item.(map[string]any); ok && condition["type"] != loadCondition {
			kept = append(kept, condition)
		}
	}
	fixture.With("status.conditions", kept)(object)
}

// comeOrGo makes an instance or deletes the one that was made, and tells the readers of it.
func (w *writer) comeOrGo(ctx context.Context, client *consistency.Client) {
	if made := w.made; made != nil {
		w.made = nil
		preconditions := metav1.Preconditions{}
		if w.random.IntN(2) == 0 {
			preconditions.UID = ptr.To(made.GetUID())
		}
		_, _ = client.Delete(ctx, consistency.Object{Namespace: made.GetNamespace(), Name: made.GetName()}, preconditions)
		return
	}
	// Few names, so that they are made again after they are gone.
	object := consistency.Object{
		Namespace: w.namespaces[0], Name: fmt.Sprintf("%s%d", churnPrefix, w.random.IntN(2*workers)),
	}
	w.churn.add(object)
	answer, err := w.clients[fixture.V1].Create(ctx, w.instance(object))
	if err != nil || !answer.OK() {
		return
	}
	if made, err := answer.Object(); err == nil {
		w.made = made
	}
}

// churnPrefix begins the names of instances that come and go.
const churnPrefix = "churn-"

// churn are the instances that come and go, for readers to look for.
type churn struct {
	mu      sync.Mutex
	objects []consistency.Object
}

func (c *churn) add(object consistency.Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects = append(c.objects, object)
}

// last is the one that came last.
func (c *churn) last() (consistency.Object, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.objects) == 0 {
		return consistency.Object{}, false
	}
	return c.objects[len(c.objects)-1], true
}

// reader reads in all the ways there are.
type reader struct {
	worker
	// listed is the resourceVersion of its last list.
	listed string
}

func (l *load) newReader(i int) *reader {
	return &reader{worker: l.newWorker(fmt.Sprintf("reader-%d", i), 2*i+1)}
}

// pageLimit makes several pages of a namespace.
const pageLimit = 10

// read sends one read.
func (r *reader) read(ctx context.Context) {
	client, object := r.clients[r.version()], r.object()
	scope := consistency.Scope{Namespace: r.namespaces[r.random.IntN(len(r.namespaces))]}
	switch chance := r.random.IntN(100); {
	case chance < 80:
		_, _ = client.Get(ctx, object, "")
	case chance < 88:
		_, _ = client.Get(ctx, object, "0")
	case chance < 91:
		if last, there := r.churn.last(); there {
			_, _ = client.Get(ctx, last, "")
		}
	case chance < 97:
		scope.Selector = colourLabel + "=" + blue
		r.list(ctx, client, scope, consistency.ListOptions{})
	case chance < 98 && r.listed != "":
		r.list(ctx, client, scope, consistency.ListOptions{ResourceVersion: r.listed, Exact: true})
	case chance < 99:
		r.list(ctx, client, scope, consistency.ListOptions{Limit: pageLimit, Table: r.random.IntN(2) == 0})
	default:
		r.list(ctx, client, scope, consistency.ListOptions{Table: r.random.IntN(2) == 0})
	}
}

func (r *reader) list(
	ctx context.Context, client *consistency.Client, scope consistency.Scope, options consistency.ListOptions,
) {
	answer, err := client.List(ctx, scope, options)
	if err == nil && answer.Revision > 0 {
		r.listed = fmt.Sprint(answer.Revision)
	}
}
