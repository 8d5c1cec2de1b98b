package consistency

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/duet-api/duet/e2e/wire"
)

// Informer is one of client-go, as controllers have. What it asks for and is told is recorded, and what it makes of
// that can be looked at. It goes on after the end of a watch in its own way, which is not the Watcher's.
type Informer struct {
	name     string
	recorder *Recorder
	resource dynamic.ResourceInterface
	scope    Scope
	reader   Reader
	informer cache.SharedIndexInformer
	// pages names the chain that the list under way is made of, if it comes in pages.
	pages string
}

// NewInformer makes an informer of a resource. Its name in the record is its own.
func NewInformer(
	name string, recorder *Recorder, resource dynamic.NamespaceableResourceInterface, scope Scope, reader Reader,
) *Informer {
	i := &Informer{name: name, recorder: recorder, resource: resource, scope: scope, reader: reader}
	if scope.Namespace != "" {
		i.resource = resource.Namespace(scope.Namespace)
	}
	source := &cache.ListWatch{ListWithContextFunc: i.list, WatchFuncWithContext: i.watch}
	i.informer = cache.NewSharedIndexInformer(source, &unstructured.Unstructured{}, 0, cache.Indexers{})
	return i
}

// Run informs until the context is done. It calls synced when the first state is there.
func (i *Informer) Run(ctx context.Context, synced func()) {
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), i.informer.HasSynced) {
			synced()
		}
	}()
	i.informer.RunWithContext(ctx)
}

// Cached are the objects that the informer has, and the resourceVersion of each.
func (i *Informer) Cached() (map[Object]int64, error) {
	cached := map[Object]int64{}
	for _, item := range i.informer.GetStore().List() {
		object := item.(*unstructured.Unstructured)
		revision, err := parseRevision(object.GetResourceVersion())
		if err != nil {
			return nil, err
		}
		cached[named(object)] = revision
	}
	return cached, nil
}

// list is what the informer calls for a list, or a page of one.
func (i *Informer) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	operation := Operation{
		Client: i.name, Verb: List, Scope: i.scope, Asked: options.ResourceVersion, Continued: options.Continue != "",
		Exact: options.ResourceVersionMatch == metav1.ResourceVersionMatchExact,
	}
	switch {
	case operation.Continued:
		operation.Pages = i.pages
	case options.Limit > 0:
		i.pages = i.recorder.Token()
		operation.Pages = i.pages
	}
	options.LabelSelector = i.scope.Selector
	finish := i.recorder.Begin(operation)
	list, err := i.resource.List(ctx, options)
	if err != nil {
		finish(refusal(ctx, err))
		return nil, err
	}
	answer := Answer{Code: http.StatusOK}
	if err := i.reader.list(&answer, list.UnstructuredContent(), contents(list)); err != nil {
		answer = unanswered(ctx, err)
	}
	finish(answer)
	return list, nil
}

// contents are the items of a list, without what reading them may change.
func contents(list *unstructured.UnstructuredList) []any {
	items := make([]any, len(list.Items))
	for i := range list.Items {
		items[i] = list.Items[i].DeepCopy().Object
	}
	return items
}

// refusal is what is recorded of a request that came to an error.
func refusal(ctx context.Context, err error) Answer {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return Answer{Code: int(status.Status().Code), Reason: string(status.Status().Reason)}
	}
	return unanswered(ctx, err)
}

// watch is what the informer calls for a watch.
func (i *Informer) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	options.LabelSelector = i.scope.Selector
	finish := i.recorder.Begin(Operation{
		Client: i.name, Verb: Watch, Scope: i.scope, Asked: options.ResourceVersion,
	})
	inner, err := i.resource.Watch(ctx, options)
	if err != nil {
		finish(refusal(ctx, err))
		return nil, err
	}
	finish(Answer{Code: http.StatusOK})
	stream := Stream{Watcher: i.name, Scope: i.scope, Initial: options.SendInitialEvents != nil}
	if !stream.Initial {
		if stream.Start, err = parseRevision(options.ResourceVersion); err != nil {
			inner.Stop()
			return nil, err
		}
	}
	watching, stop := context.WithCancel(ctx)
	tapped := &tap{inner: inner, out: make(chan watch.Event), stop: stop}
	go tapped.run(watching, i.recorder.Open(stream), i.reader)
	return tapped, nil
}

// tap is a watch that is recorded on its way to the informer.
type tap struct {
	inner watch.Interface
	out   chan watch.Event
	stop  context.CancelFunc
}

// ResultChan implements watch.Interface.
func (t *tap) ResultChan() <-chan watch.Event { return t.out }

// Stop implements watch.Interface.
func (t *tap) Stop() { t.stop() }

// run hands events on until the watch ends or the informer stops it.
func (t *tap) run(ctx context.Context, record *StreamRecord, reader Reader) {
	defer close(t.out)
	defer t.inner.Stop()
	for {
		select {
		case <-ctx.Done():
			record.Finish(Closed, 0, "")
			return
		case event, more := <-t.inner.ResultChan():
			switch {
			case ctx.Err() != nil:
				record.Finish(Closed, 0, "")
				return
			case !more:
				record.Finish(Ended, 0, "")
				return
			}
			record.tapped(event, reader)
			select {
			case t.out <- event:
			case <-ctx.Done():
			}
		}
	}
}

// brokenStream is the cause that client-go gives an error of its own making about a connection that broke off.
const brokenStream metav1.CauseType = "ClientWatchDecoding"

// tapped records an event as client-go hands it out. An error is the end of the watch, and the informer stops it.
func (s *StreamRecord) tapped(event watch.Event, reader Reader) {
	if status, ok := event.Object.(*metav1.Status); ok {
		if _, broken := apierrors.StatusCause(&apierrors.StatusError{ErrStatus: *status}, brokenStream); broken {
			s.Finish(Ended, 0, messageOf(*status))
		} else {
			s.Finish(endingBy(*status), int(status.Code), messageOf(*status))
		}
		return
	}
	object, ok := event.Object.(*unstructured.Unstructured)
	if !ok {
		s.Finish(Rejected, 0, fmt.Sprintf("an event with a %T", event.Object))
		return
	}
	seen, err := reader.seen(wire.Event{Type: event.Type, Object: object})
	if err != nil {
		s.Finish(Rejected, 0, err.Error())
		return
	}
	s.Saw(seen)
}
