package switching

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/install"
)

// While objects are copied, or made anew, nobody else may write. What follows is the fence that sees to it, and what is known of
// writes that were let in before.

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

// holdWrites refuses writes, and returns once each kube-apiserver refuses them, and whoever answers for the instances, and objects
// have stopped to change. What is still on its way then is waited for in drained.
func (m *move) holdWrites(ctx context.Context) error {
	if err := m.installer.Apply(ctx, m.writesFence()); err != nil {
		return err
	}
	dead, err := m.leftForDead(ctx)
	if err != nil {
		return err
	}
	if err := m.everywhere(ctx, "writes to be refused", func(ctx context.Context, config *rest.Config) error {
		if err := m.tryCanary(ctx, config); err != nil {
			return err
		}
		err := tryWrite(ctx, config)
		if dead && apierrors.IsServiceUnavailable(err) {
			return nil
		}
		return install.RefusedBy(writesPolicy, err)
	}); err != nil {
		return err
	}
	m.state.Fenced = ptr.To(metav1.Now())
	if err := m.installer.WriteSwitch(ctx, m.state); err != nil {
		return err
	}
	if m.state.Restores {
		return nil // What is written to the copy counts for nothing.
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

// answering is how long what may be dead is given to answer.
const answering = 10 * time.Second

// tryCanary is nil if a kube-apiserver enforces the fence.
func (m *move) tryCanary(ctx context.Context, config *rest.Config) error {
	administrator, err := m.installer.ClientFor(config)
	if err != nil {
		return err
	}
	return install.RefusedBy(writesPolicy, administrator.Create(ctx, fencedCanary(), client.DryRunAll))
}

// releaseWrites lets writes in, and returns once every kube-apiserver does.
func (m *move) releaseWrites(ctx context.Context) error {
	if err := m.installer.RemoveObjects(ctx, m.writesFence()); err != nil || m.strategy() == Shared {
		return err
	}
	return m.everywhere(ctx, "writes to be let in", func(ctx context.Context, config *rest.Config) error {
		err := m.tryCanary(ctx, config)
		switch {
		case errors.Is(err, install.ErrNotEnforced):
			return nil
		case err == nil:
			return fmt.Errorf("policy %s is still enforced", writesPolicy)
		}
		return err
	})
}

// unfenced says that writes are let in, although they must not be.
func (m *move) unfenced(ctx context.Context) ([]string, error) {
	err := m.everywhereWithin(ctx, answering, "writes to be refused", m.tryCanary)
	if err == nil {
		err = m.fencedBeside(ctx)
	}
	if errors.Is(err, install.ErrNotEnforced) && ctx.Err() == nil {
		return []string{fmt.Sprintf("writes are let in, which were to be refused until the end: %v", err)}, nil
	}
	return nil, err
}

// leftForDead says whether a rollback finds a server that does not answer, be it of the form that it leaves or of the one that it
// goes back to. It is stopped then: it may not come to life before it knows of the fence.
func (m *move) leftForDead(ctx context.Context) (bool, error) {
	server := m.from
	if len(server.registrations()) == 0 {
		server = m.to
	}
	if !m.state.Rollback || m.strategy() != Dedicated {
		return false, nil
	}
	err := untilWithin(ctx, answering, server.form.Name()+" to answer", time.Second, func(ctx context.Context) error {
		return m.installer.Serves(ctx, server.versions()...)
	})
	if err == nil || ctx.Err() != nil {
		return false, ctx.Err()
	}
	m.check("%s does not answer, and is stopped: %v", server.form.Name(), err)
	return true, m.stopServer(ctx, server)
}

const (
	// requestLimit is how long an API server works on a request that writes an object: requestTimeoutUpperBound of package
	// endpoints/handlers in k8s.io/apiserver.
	requestLimit = 34 * time.Second
	// atStorage is how long it may take from there to where it is stored.
	atStorage = 5 * time.Second
)

// drained waits until nothing that was let in before the fence can still be stored. A request that has passed the policies may be
// with webhooks, and what is written to a CustomResourceDefinition is converted after those, until it is given up.
func (m *move) drained(ctx context.Context) error {
	if m.state.Fenced == nil {
		return nil
	}
	left := time.Until(m.state.Fenced.Add(requestLimit + atStorage))
	if left <= 0 {
		return nil
	}
	m.progress("  waiting %s for writes that were let in before", left.Round(time.Second))
	return pause(ctx, left)
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
