package switching

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/install"
)

// Names of the policies of a switch, and of their bindings.
const (
	childrenPolicy = "duet-switch-children"
	writesPolicy   = "duet-switch-writes"
	ownersPolicy   = "duet-switch-owners"
)

// collector is who the garbage collector is, where controllers have service accounts, as they should.
const collector = "system:serviceaccount:kube-system:generic-garbage-collector"

// canaryLabel is on the object that shows whether the garbage collector is held.
const canaryLabel = install.Group + "/switch-canary"

// fenceInterval is how often is tried whether a policy is enforced.
const fenceInterval = 50 * time.Millisecond

// childrenHold keeps the garbage collector from deleting what an instance owns. It deletes what belongs to an owner that
// answers 404, and a switch has no moment in which one does; this is for the case that it has.
func childrenHold() []*unstructured.Unstructured {
	return install.Policy(childrenPolicy,
		[]any{map[string]any{
			"apiGroups": []any{"*"}, "apiVersions": []any{"*"}, "operations": []any{"DELETE"}, "resources": []any{"*"},
		}},
		[]any{map[string]any{
			"name":       "the-garbage-collector",
			"expression": fmt.Sprintf("request.userInfo.username in ['%s', 'system:kube-controller-manager']", collector),
		}},
		fmt.Sprintf("!(oldObject.metadata.?ownerReferences.orValue([]).exists(o, o.apiVersion.startsWith('%s/')) || "+
			"oldObject.metadata.?labels[?'%s'].hasValue())", install.Group, canaryLabel),
		"a switch between the forms of MySQLInstance is under way: the garbage collector waits until it is over")
}

// canary is an object that the garbage collector has no reason to delete, and may not while it is held.
func canary() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": "duet-switch-canary", "namespace": install.Namespace, "labels": map[string]any{canaryLabel: "true"},
		},
	}}
}

// fence keeps away what could do harm while two forms are there.
func (m *move) fence(ctx context.Context) error {
	if m.strategy() == API {
		if err := m.ahead(ctx); err != nil {
			return err
		}
	}
	if err := m.holdChildren(ctx); err != nil {
		return err
	}
	m.check("the garbage collector may not delete what an instance owns (policy %s)", childrenPolicy)
	if len(m.to.definitions()) > 0 && m.strategy() != API && !m.state.Restores {
		if err := m.rewrite(ctx); err != nil {
			return err
		}
	}
	switch m.strategy() {
	case Dedicated:
		if err := m.raiseEarly(ctx); err != nil {
			return err
		}
	case API:
		if err := m.holdOwners(ctx); err != nil {
			return err
		}
	}
	if m.strategy() != Shared {
		if err := m.holdWrites(ctx); err != nil {
			return err
		}
		m.check("every write is refused (policy %s)", writesPolicy)
	}
	return m.holdDefinition(ctx)
}

func (m *move) holdChildren(ctx context.Context) error {
	if err := m.installer.Apply(ctx, append(childrenHold(), canary())); err != nil {
		return err
	}
	return m.everywhere(ctx, "the garbage collector to be held", func(ctx context.Context, config *rest.Config) error {
		config.Impersonate = rest.ImpersonationConfig{UserName: collector, Groups: []string{"system:serviceaccounts"}}
		asCollector, err := m.installer.ClientFor(config)
		if err != nil {
			return err
		}
		return install.RefusedBy(childrenPolicy, asCollector.Delete(ctx, canary(), client.DryRunAll))
	})
}

// everywhere waits until a try succeeds at every kube-apiserver: each enforces a policy on its own.
func (m *move) everywhere(ctx context.Context, what string, try func(context.Context, *rest.Config) error) error {
	return m.everywhereWithin(ctx, waitTimeout, what, try)
}

// everywhereWithin does so with another limit.
func (m *move) everywhereWithin(ctx context.Context, limit time.Duration, what string,
	try func(context.Context, *rest.Config) error) error {
	return untilWithin(ctx, limit, what, fenceInterval, func(ctx context.Context) error {
		return m.installer.Env.AtEachAPIServer(func(config *rest.Config) error { return try(ctx, config) })
	})
}

// ownersFence has nothing become the child of an instance that is about to be another: the child would name a UID that
// nobody has, and be taken for one whose owner is gone.
func ownersFence() []*unstructured.Unstructured {
	ours := fmt.Sprintf("o.apiVersion.startsWith('%s/')", install.Group)
	owners := "object.?metadata.?ownerReferences.orValue([])"
	return install.Policy(ownersPolicy,
		[]any{map[string]any{
			"apiGroups": []any{"*"}, "apiVersions": []any{"*"}, "operations": []any{"CREATE", "UPDATE"}, "resources": []any{"*"},
		}},
		[]any{map[string]any{"name": "has-an-instance-as-owner", "expression": fmt.Sprintf("%s.exists(o, %s)", owners, ours)}},
		fmt.Sprintf("%s.filter(o, %s).all(o, oldObject != null && "+
			"oldObject.?metadata.?ownerReferences.orValue([]).exists(p, p.uid == o.uid))", owners, ours),
		"a switch between the forms of MySQLInstance makes them anew: nothing may become a child of one until it is over")
}

// holdOwners stops the controller, which would give children back to the owners that they have now, and has nobody else
// do so.
func (m *move) holdOwners(ctx context.Context) error {
	if err := m.installer.StopController(ctx); err != nil {
		return err
	}
	if err := m.installer.Apply(ctx, ownersFence()); err != nil {
		return err
	}
	if err := m.everywhere(ctx, "owners to be held", func(ctx context.Context, config *rest.Config) error {
		return install.RefusedBy(ownersPolicy, m.tryOwner(ctx, config))
	}); err != nil {
		return err
	}
	m.check("the controller stands still, and nothing becomes a child of an instance (policy %s)", ownersPolicy)
	return nil
}

// releaseOwners lets everything become a child again, and returns once it can.
func (m *move) releaseOwners(ctx context.Context) error {
	if err := m.installer.RemoveObjects(ctx, ownersFence()); err != nil {
		return err
	}
	return m.everywhere(ctx, "owners to be free", m.tryOwner)
}

// tryOwner tries to make a child of an instance without doing it.
func (m *move) tryOwner(ctx context.Context, config *rest.Config) error {
	administrator, err := m.installer.ClientFor(config)
	if err != nil {
		return err
	}
	child := canary()
	child.SetName(child.GetName() + "-child")
	child.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: install.Resource.GroupVersion().String(), Kind: canaryInstance().GetKind(),
		Name: canaryInstance().GetName(), UID: "no-uid",
	}})
	return administrator.Create(ctx, child, client.DryRunAll)
}

// holdDefinition has nobody delete the CustomResourceDefinition, and with it every object below its keys, also if it is
// still to be made.
func (m *move) holdDefinition(ctx context.Context) error {
	for _, definition := range append(m.from.definitions(), m.to.definitions()...) {
		if err := m.installer.RaiseHold(ctx, definition); err != nil {
			return err
		}
		m.check("the CustomResourceDefinition may not be deleted")
	}
	return nil
}

// lowerFences lets everybody go on. Writes are let in before.
func (m *move) lowerFences(ctx context.Context) error {
	fences := slices.Concat(childrenHold(), []*unstructured.Unstructured{canary()}, ownersFence(), reachProbe(nil))
	if m.strategy() == API {
		fences = append(fences, configMapFillers()...)
	}
	if err := m.installer.RemoveObjects(ctx, fences); err != nil {
		return err
	}
	if len(m.serving().definitions()) > 0 {
		if err := m.installer.LowerHold(ctx); err != nil {
			return err
		}
	}
	if m.strategy() == API { // holdOwners has stopped it.
		return m.installer.StartController(ctx)
	}
	return nil
}

// serving is the side that serves when the switch, or what is left of it, is over.
func (m *move) serving() side {
	if m.state.TakingBack {
		return m.from
	}
	return m.to
}
