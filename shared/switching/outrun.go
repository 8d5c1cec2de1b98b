package switching

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/dynamic"

	"github.com/duet-api/duet/shared/install"
)

// Objects that move to another storage go on with its resourceVersions. Whoever comes with one of the old storage has to
// be told that it is too old, and reads everything anew: a watch from a resourceVersion that is still to come would be
// silent, and a list at one that has been would show the past of another storage. So before anybody is sent to the new
// storage, it goes past every resourceVersion of the old one, and forgets what was before. Without access to etcd, the
// one is done by writing, and the other by whoever compacts etcd anyway: the server that is started beside is told to
// do so each second, and of kube-apiserver it is waited for.

// How far the old storage may go on from the fence to the flip: by so many revisions in any case, by so many for each object
// whose children are still to be taken from it, and by what it goes on by in so much time. If it has gone on by more, all is
// begun anew, with writes refused meanwhile.
const (
	leeway    = 1000
	perObject = 20
	soMuch    = 10 * time.Second
	// lastLeeway is what has to be left of it right before a version is flipped.
	lastLeeway = leeway / 4
)

// compactionTimeout is how long kube-apiserver may take to forget: with its own setting it compacts every five minutes
// what is five minutes old.
const compactionTimeout = 12 * time.Minute

// compacting are the arguments of a server that forgets at once. It must not answer from a cache, which remembers.
var compacting = []string{"--etcd-compaction-interval=1s", "--watch-cache=false"}

// rounds are how often it is begun anew while nothing is fenced, each time with less to make up for.
const rounds = 5

// outrun has the new storage go past the old one, of which so many objects have their children still, and forget.
func (m *move) outrun(ctx context.Context, objects int) error {
	for range rounds {
		if done, err := m.outrunOnce(ctx, objects); err != nil || done {
			return err
		}
	}
	return m.tooFast()
}

func (m *move) tooFast() error {
	return fmt.Errorf("%s goes on faster than %s can follow: try again when less is written", m.from.form.Name(), m.to.form.Name())
}

// outrunOnce does so, or says that it is done.
func (m *move) outrunOnce(ctx context.Context, objects int) (bool, error) {
	now, err := m.reached(ctx)
	if err != nil {
		return false, err
	}
	const moment = time.Second
	if err := pause(ctx, moment); err != nil {
		return false, err
	}
	later, err := m.reached(ctx)
	if err != nil {
		return false, err
	}
	rate := later - now // in a moment
	needed := int64(leeway+perObject*objects) + rate*int64(soMuch/moment)
	if m.state.Raised > later+needed {
		m.check("no resourceVersion goes back: %s is at %d, and %s goes on from %d", m.from.form.Name(), later, m.to.form.Name(),
			m.state.Raised)
		return true, nil
	}
	target := later + needed + needed/2 // for what it goes on by meanwhile
	if len(m.to.registrations()) > 0 {
		err = m.outrunServer(ctx, target)
	} else {
		target += rate * int64(compactionTimeout/moment)
		err = m.outrunDefinition(ctx, target)
	}
	if err != nil {
		return false, err
	}
	m.state.Raised = target
	return false, m.installer.WriteSwitch(ctx, m.state)
}

// outrunServer does so through the other form's own server. It is restarted afterwards, so that its cache begins there.
func (m *move) outrunServer(ctx context.Context, target int64) error {
	forgetful := *m.to.plan
	forgetful.Processes = slices.Clone(forgetful.Processes)
	server := &forgetful.Processes[len(forgetful.Processes)-1]
	server.Args = slices.Concat(server.Args, compacting)
	if err := m.installer.Prepare(ctx, &forgetful); err != nil {
		return err
	}
	if err := m.ready(ctx); err != nil {
		return err
	}
	copies, err := m.copies()
	if err != nil {
		return err
	}
	if err := m.fill(ctx, copies.Namespace(install.Namespace), canaryInstance(), target); err != nil {
		return err
	}
	if err := untilWithin(ctx, waitTimeout, server.Name+" to forget", 100*time.Millisecond, func(ctx context.Context) error {
		return forgotten(ctx, copies, target)
	}); err != nil {
		return err
	}
	if err := m.installer.Prepare(ctx, m.to.plan); err != nil {
		return err
	}
	return m.ready(ctx)
}

// configMaps of Duet's namespace, which have the revisions of kube-apiserver's storage, as custom resources do.
func (m *move) configMaps() (dynamic.ResourceInterface, error) {
	objects, err := dynamic.NewForConfig(m.installer.Env.Config())
	if err != nil {
		return nil, err
	}
	return objects.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(install.Namespace), nil
}

// outrunDefinition does so through kube-apiserver, whose revisions are those of its custom resources. It is far ahead as a
// rule, and there is nothing to do then but to look.
func (m *move) outrunDefinition(ctx context.Context, target int64) error {
	of, err := m.configMaps()
	if err != nil {
		return err
	}
	filler := canary()
	filler.SetLabels(nil)
	if err := m.fill(ctx, of, filler, target); err != nil {
		return err
	}
	m.progress("  waiting until kube-apiserver compacts etcd, up to ten minutes (--etcd-compaction-interval)")
	return untilWithin(ctx, compactionTimeout, "kube-apiserver to forget what was before", time.Second,
		func(ctx context.Context) error { return forgotten(ctx, of, target) })
}

// fillers is how many objects are written at a time, only to make the revision grow.
const fillers = 16

// fillerAnnotation is what is written.
const fillerAnnotation = install.Group + "/switch-filler"

// configMapFillers are those that a run has left which ended while it wrote.
func configMapFillers() []*unstructured.Unstructured {
	left := make([]*unstructured.Unstructured, fillers)
	for i := range left {
		left[i] = canary()
		left[i].SetName(fillerName(left[i], i))
	}
	return left
}

func fillerName(template *unstructured.Unstructured, i int) string {
	return fmt.Sprintf("%s-%d", template.GetName(), i)
}

// fill writes until the revision is above a target. What it writes is gone in the end.
func (m *move) fill(ctx context.Context, objects dynamic.ResourceInterface, template *unstructured.Unstructured, target int64) error {
	now, err := revision(ctx, objects)
	if err != nil {
		return err
	}
	switch {
	case now > target:
		return nil
	case target-now > farthest:
		return refuse("resourceVersions would go back: %s is at %d and has to get above %d, which is too far to make up for",
			m.to.form.Name(), now, target)
	}
	m.progress("  making up for %d revisions", target-now)
	pace := install.NewPace(m.installer.Progress, target-now, "revisions are made up for")
	writes, ctx := errgroup.WithContext(ctx)
	for i := range fillers {
		writes.Go(func() error {
			filler := template.DeepCopy()
			filler.SetName(fillerName(template, i))
			if err := fillWith(ctx, objects, filler, target, func(at int64) { pace.Reached(at - now) }); err != nil {
				return fmt.Errorf("could not write %s: %w", filler.GetName(), err)
			}
			return nil
		})
	}
	return writes.Wait()
}

// fillWith writes one object again and again until its revision is above a target, and deletes it. After each write it says
// where the revision is.
func fillWith(ctx context.Context, objects dynamic.ResourceInterface, filler *unstructured.Unstructured, target int64,
	wrote func(at int64)) error {
	if _, err := objects.Create(ctx, filler, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	for at := int64(0); at <= target; wrote(at) {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{fillerAnnotation: string(uuid.NewUUID())},
		}})
		if err != nil {
			return err
		}
		written, err := objects.Patch(ctx, filler.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return err
		}
		if at, err = strconv.ParseInt(written.GetResourceVersion(), 10, 64); err != nil {
			return err
		}
	}
	err := objects.Delete(ctx, filler.GetName(), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// forgotten is nil once a server says of a revision that it is too old.
func forgotten(ctx context.Context, objects dynamic.ResourceInterface, at int64) error {
	_, err := objects.List(ctx, metav1.ListOptions{
		Limit: 1, ResourceVersion: strconv.FormatInt(at, 10), ResourceVersionMatch: metav1.ResourceVersionMatchExact,
	})
	switch {
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("what was at revision %d is still answered", at)
}
