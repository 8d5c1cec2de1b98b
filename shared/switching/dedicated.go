package switching

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/install"
)

// What follows is what strategy dedicated does more: refuse writes, copy, and see to it that the copy is newer than anything that
// the old form has ever said.

// headroom is how many revisions the old storage may go on by, from the copy to the flip: other resources are in it too.
const headroom = 5000

// farthest is how many revisions are made up for, one write each. More would take minutes in which writes are refused.
const farthest = 1_000_000

// writesFence refuses every write of an object of the API, the subresources included. Through the API objects can only be
// copied by a user who is let through.
func (m *move) writesFence() []*unstructured.Unstructured {
	var conditions []any
	if m.strategy() == API {
		conditions = []any{map[string]any{
			"name": "not-the-importer", "expression": fmt.Sprintf("request.userInfo.username != '%s'", importer),
		}}
	}
	return install.Policy(writesPolicy,
		[]any{
			map[string]any{
				"apiGroups": []any{install.Group}, "apiVersions": []any{"*"}, "operations": []any{"CREATE", "UPDATE", "DELETE", "CONNECT"},
				"resources": []any{install.Resource.Resource, install.Resource.Resource + "/*"},
			},
			map[string]any{
				"apiGroups": []any{""}, "apiVersions": []any{"*"}, "operations": []any{"CREATE"}, "resources": []any{"configmaps"},
			},
		},
		conditions, fmt.Sprintf("request.resource.resource == 'configmaps' && object.metadata.name != '%s'", fencedCanary().GetName()),
		"a switch between the forms of MySQLInstance copies the objects: try again in some seconds")
}

// fencedCanary is an object of kube-apiserver's own that the fence refuses as well: where another server answers for the
// instances, nothing else shows whether kube-apiserver would refuse them.
func fencedCanary() *unstructured.Unstructured {
	object := canary()
	object.SetName(object.GetName() + "-fenced")
	return object
}

// holdWrites refuses writes, and returns once each kube-apiserver refuses them, and whoever answers for the instances, and
// none that was let in before is still under way.
func (m *move) holdWrites(ctx context.Context) error {
	if err := m.installer.Apply(ctx, m.writesFence()); err != nil {
		return err
	}
	if err := m.everywhere(ctx, "writes to be refused", func(ctx context.Context, config *rest.Config) error {
		administrator, err := m.installer.ClientFor(config)
		if err != nil {
			return err
		}
		if err := install.RefusedBy(writesPolicy, administrator.Create(ctx, fencedCanary(), client.DryRunAll)); err != nil {
			return err
		}
		return install.RefusedBy(writesPolicy, tryWrite(ctx, config))
	}); err != nil {
		return err
	}
	look := m.lookThroughAPI
	if m.strategy() == Dedicated {
		source, err := openStore(ctx, m.from.plan.Etcd)
		if err != nil {
			return err
		}
		defer source.close()
		look = func(ctx context.Context) (string, error) {
			stored, err := source.read(ctx)
			return fmt.Sprint(stored.digest(), stored.changed), err
		}
	}
	return until(ctx, "the last writes to end", fenceInterval, func(ctx context.Context) error {
		before, err := look(ctx)
		if err != nil {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		after, err := look(ctx)
		if err != nil {
			return err
		}
		if before != after {
			return fmt.Errorf("objects still change")
		}
		return nil
	})
}

// fencedBeside waits until the other form's own server refuses writes too: it enforces policies by itself, and will be asked
// before the fence falls.
func (m *move) fencedBeside(ctx context.Context) error {
	server, ok := m.to.plan.Server()
	if !ok || len(m.to.registrations()) == 0 {
		return nil
	}
	config, err := m.direct(m.to)
	if err != nil {
		return err
	}
	if err := until(ctx, server.Name+" to refuse writes", fenceInterval, func(ctx context.Context) error {
		return install.RefusedBy(writesPolicy, tryWrite(ctx, config))
	}); err != nil {
		return err
	}
	m.check("%s refuses writes as well", server.Name)
	return nil
}

// lookThroughAPI returns what is another text once anything was written.
func (m *move) lookThroughAPI(ctx context.Context) (string, error) {
	objects, _, err := list(ctx, m.installer.Env.Config(), "")
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, key := range sortedKeys(objects) {
		fmt.Fprintln(&text, key, objects[key].GetUID(), objects[key].GetResourceVersion())
	}
	return text.String(), nil
}

// tryWrite tries a write without doing it.
func tryWrite(ctx context.Context, config *rest.Config) error {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = objects.Resource(install.Resource).Namespace(install.Namespace).Create(ctx, canaryInstance(),
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// stores opens the storage of both forms.
func (m *move) stores(ctx context.Context) (source, target *store, err error) {
	if source, err = openStore(ctx, m.from.plan.Etcd); err != nil {
		return nil, nil, err
	}
	if target, err = openStore(ctx, m.to.plan.Etcd); err != nil {
		source.close()
		return nil, nil, err
	}
	return source, target, nil
}

// copyObjects gives the other form every object, bytes and all, and revisions that are newer than any of the old form's.
// The server of the other form must not run: its cache has to begin after that, so that it sends everybody who asks for
// something older to read everything anew.
func (m *move) copyObjects(ctx context.Context) error {
	source, target, err := m.stores(ctx)
	if err != nil {
		return err
	}
	defer source.close()
	defer target.close()
	objects, err := source.read(ctx)
	if err != nil {
		return err
	}
	raised := objects.revision + headroom
	if err := target.raise(ctx, raised); err != nil {
		return err
	}
	m.progress("  copying %d objects", len(objects.values))
	if err := target.write(ctx, objects); err != nil {
		return err
	}
	m.progress("  comparing them")
	copied, err := target.read(ctx)
	if err != nil {
		return err
	}
	if copied.digest() != objects.digest() {
		return fmt.Errorf("the copy is not what was copied: somebody else writes below the keys of %s", m.to.form.Name())
	}
	m.state.Raised = raised
	m.check("%d objects are copied byte for byte, SHA-256 %.12s", len(objects.values), objects.digest())
	m.check("their resourceVersions go on from %d, where %s is at %d", copied.changed, m.from.form.Name(), objects.revision)
	return m.installer.WriteSwitch(ctx, m.state)
}

// startStorage starts the storage of the other form, without its server: the cache of that has to begin after the copy. A
// CustomResourceDefinition is stored where it always was, and its cache begins when it serves.
func (m *move) startStorage(ctx context.Context) error {
	if len(m.to.registrations()) == 0 {
		return nil
	}
	storage := *m.to.plan
	last := len(storage.Processes) - 1
	if err := m.installer.Dismiss(ctx, &install.Plan{Processes: storage.Processes[last:]}); err != nil {
		return err
	}
	storage.Processes = storage.Processes[:last]
	return m.installer.Prepare(ctx, &storage)
}

// raiseEarly makes up for most of the revisions while writes are still let in.
func (m *move) raiseEarly(ctx context.Context) error {
	if err := m.startStorage(ctx); err != nil {
		return err
	}
	source, target, err := m.stores(ctx)
	if err != nil {
		return err
	}
	defer source.close()
	defer target.close()
	from, err := source.revision(ctx)
	if err != nil {
		return err
	}
	now, err := target.revision(ctx)
	if err != nil {
		return err
	}
	if from-now > farthest {
		return refuse("resourceVersions would go back: the storage of %s is at %d and that of %s at %d, which is too far apart to "+
			"make up for", m.from.form.Name(), from, m.to.form.Name(), now)
	}
	return target.raise(ctx, from+2*headroom)
}

// newer makes sure, right before the flip, that the old storage has not come to where the new one began.
func (m *move) newer(ctx context.Context) error {
	source, err := openStore(ctx, m.from.plan.Etcd)
	if err != nil {
		return err
	}
	now, err := source.revision(ctx)
	source.close()
	if err != nil {
		return err
	}
	if now < m.state.Raised {
		m.check("no resourceVersion goes back: %s is at %d, and %s began after %d", m.from.form.Name(), now, m.to.form.Name(),
			m.state.Raised)
		return nil
	}
	m.progress("  %s has come to where the copy begins: copying once more", m.from.form.Name())
	return m.bring(ctx)
}

// caughtUp copies once more if a write got past the fence. It is called after the flip: nobody has been let write to the
// copy yet.
func (m *move) caughtUp(ctx context.Context) error {
	source, target, err := m.stores(ctx)
	if err != nil {
		return err
	}
	defer source.close()
	defer target.close()
	before, err := source.read(ctx)
	if err != nil {
		return err
	}
	after, err := target.read(ctx)
	if err != nil {
		return err
	}
	if before.digest() == after.digest() {
		m.check("no write got past the fence")
		return nil
	}
	if err := target.write(ctx, before); err != nil {
		return err
	}
	m.check("a write that got past the fence is copied too")
	return nil
}
