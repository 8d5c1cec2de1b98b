package switching

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/install"
)

// inParallel does n things, some at a time, and tells now and then how many are done.
func (m *move) inParallel(ctx context.Context, n int, done string, do func(context.Context, int) error) error {
	pace := install.NewPace(m.installer.Progress, int64(n), done)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range n {
		group.Go(func() error {
			if err := do(ctx, i); err != nil {
				return err
			}
			pace.Done()
			return nil
		})
	}
	return group.Wait()
}

// remake exports every object, takes the children from their owners, and makes the objects anew where they are to be
// served from. What an earlier run has done stays.
func (m *move) remake(ctx context.Context) error {
	// What is deleted here must be a copy: never what somebody is served.
	if flipped, err := m.flipped(ctx, m.state); err != nil {
		return err
	} else if flipped {
		return fmt.Errorf("%s serves already: its objects are not touched", m.to.form.Name())
	}
	originals, _, err := list(ctx, m.installer.Env.Config(), "")
	if err != nil {
		return err
	}
	if err := m.export(ctx, originals); err != nil {
		return err
	}
	children, err := m.installer.ParkChildrenOfLiving(ctx)
	if err != nil {
		return err
	}
	m.check("%d children are taken from their owners, so that the garbage collector does not ask for these", children)
	copies, there, err := m.copied(ctx)
	if err != nil {
		return err
	}
	surplus, missing := plan(originals, there, m.state.Raised)
	if err := m.inParallel(ctx, len(surplus), "old copies are gone", func(ctx context.Context, i int) error {
		return remove(ctx, copies, there[surplus[i]])
	}); err != nil {
		return err
	}
	if len(surplus) > 0 {
		m.check("%d old copies in %s are gone", len(surplus), m.to.form.Name())
	}
	if err := m.inParallel(ctx, len(missing), "objects are made anew", func(ctx context.Context, i int) error {
		return m.remakeOne(ctx, copies, originals[missing[i]])
	}); err != nil {
		return err
	}
	m.check("%d objects are made anew in %s, with their status", len(originals), m.to.form.Name())
	return nil
}

// export writes the objects to a file before anything happens to them.
func (m *move) export(ctx context.Context, originals map[string]*unstructured.Unstructured) error {
	if m.state.Export == "" {
		dir, err := m.installer.Env.Dir("switch")
		if err != nil {
			return err
		}
		m.state.Export = exportFile(dir, m.from.form.Name(), time.Now())
	}
	digest, err := writeExport(m.state.Export, originals)
	if err != nil {
		return err
	}
	m.state.Deleting = nil
	for _, key := range sortedKeys(originals) {
		if originals[key].GetDeletionTimestamp() != nil {
			m.state.Deleting = append(m.state.Deleting, key)
		}
	}
	m.moved().Objects, m.moved().SHA256 = len(originals), digest
	m.check("%d objects are in %s, SHA-256 %.12s", len(originals), m.state.Export, digest)
	return m.installer.WriteSwitch(ctx, m.state)
}

// moved is the part of the result that only this strategy has.
func (m *move) moved() *Moved {
	if m.result.Moved == nil {
		m.result.Moved = &Moved{}
	}
	m.result.Moved.Export = m.state.Export
	return m.result.Moved
}

// remakeOne makes one object anew.
func (m *move) remakeOne(ctx context.Context, copies dynamic.NamespaceableResourceInterface, original *unstructured.Unstructured) error {
	of := copies.Namespace(original.GetNamespace())
	what := original.GetNamespace() + "/" + original.GetName()
	follower, err := of.Create(ctx, m.anew(original), metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return fmt.Errorf("could not make %s anew: %w", what, err)
	}
	status := statusFor(follower, original)
	if len(status) == 0 {
		return nil
	}
	follower.Object["status"] = status
	if _, err := of.UpdateStatus(ctx, follower, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict}); err != nil {
		return fmt.Errorf("could not give %s its status: %w", what, err)
	}
	return nil
}

// remove deletes an object that nobody is served, whatever its finalizers wait for: who would take them off does not see
// it.
func remove(ctx context.Context, objects dynamic.NamespaceableResourceInterface, object *unstructured.Unstructured) error {
	of := objects.Namespace(object.GetNamespace())
	what := object.GetNamespace() + "/" + object.GetName()
	return until(ctx, what+" to be gone", fenceInterval, func(ctx context.Context) error {
		if len(object.GetFinalizers()) > 0 {
			_, err := of.Patch(ctx, object.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
		err := of.Delete(ctx, object.GetName(), metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: ptr.To(object.GetUID())}, PropagationPolicy: ptr.To(metav1.DeletePropagationBackground),
		})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it is still there")
		}
		return err
	})
}

// copied are the copies that there are, and access to them.
func (m *move) copied(ctx context.Context) (
	dynamic.NamespaceableResourceInterface, map[string]*unstructured.Unstructured, error,
) {
	copies, err := m.copies()
	if err != nil {
		return nil, nil, err
	}
	there, _, err := listAll(ctx, copies, "")
	return copies, there, err
}

// compareMoved is nil when everything that was made anew is as what it was made from.
func (m *move) compareMoved(ctx context.Context) error {
	originals, _, err := list(ctx, m.installer.Env.Config(), "")
	if err != nil {
		return err
	}
	_, there, err := m.copied(ctx)
	if err != nil {
		return err
	}
	if err := unequal(unmoved(originals, there)); err != nil {
		return err
	}
	m.result.Objects = len(originals)
	m.check("%d objects are alike in both: spec, status, labels, annotations, finalizers and owners", len(originals))
	return nil
}

// upToDate looks once more, right before the flip: a write that was let in before the fence may have been under way for long.
func (m *move) upToDate(ctx context.Context) error {
	flipped, err := m.flipped(ctx, m.state)
	if err != nil || flipped {
		return err // From here on the old form is not asked any more.
	}
	if err := m.importable(ctx); err != nil {
		return err
	}
	if err := m.drained(ctx); err != nil {
		return err
	}
	late, err := m.installer.ParkChildrenOfLiving(ctx)
	if err != nil {
		return err
	}
	if late > 0 {
		m.check("%d children that were still to come when owners were fenced off are taken from them too", late)
	}
	for imports := range rounds {
		now, err := m.reached(ctx)
		if err != nil {
			return err
		}
		if now+lastLeeway < m.state.Raised {
			err := m.compareMoved(ctx)
			if err == nil || imports > 0 {
				return err
			}
			m.progress("  a write got past the fence: importing once more")
		} else {
			// What was made before has resourceVersions that the old form has gone past.
			m.progress("  %s has come to where %s goes on: importing once more", m.from.form.Name(), m.to.form.Name())
			if err := m.outrun(ctx, 0); err != nil {
				return err
			}
		}
		if err := m.remake(ctx); err != nil {
			return err
		}
	}
	return m.tooFast()
}

// settle gives the objects that are served now what only they can have: their children, the managers of their fields, and
// the deletions that had begun. Nobody else may have written to them yet.
func (m *move) settle(ctx context.Context) error {
	if err := m.restoreManagers(ctx); err != nil {
		return err
	}
	if err := m.adopt(ctx); err != nil {
		return err
	}
	served, err := m.originals()
	if err != nil {
		return err
	}
	for _, key := range m.state.Deleting {
		namespace, name, _ := strings.Cut(key, "/")
		if err := served.Namespace(namespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("could not begin the deletion of %s anew: %w", key, err)
		}
	}
	if deleting := len(m.state.Deleting); deleting > 0 {
		m.check("%d deletions that had begun have begun anew", deleting)
	}
	return nil
}

// adopt gives the children to the owners that there are.
func (m *move) adopt(ctx context.Context) error {
	if err := m.releaseOwners(ctx); err != nil {
		return err
	}
	children, err := m.installer.UnparkChildren(ctx)
	if err != nil {
		return err
	}
	if m.result.Moved != nil { // A run that takes a switch back moves nothing.
		m.result.Moved.Children = children
	}
	m.check("%d children have their owners", children)
	return nil
}

// restoreManagers has the fields belong to whom they belonged: applying an object would otherwise not take away what was
// applied once. A server takes the managers that a write says if the write changes nothing else.
func (m *move) restoreManagers(ctx context.Context) error {
	exported, digest, err := readExport(m.state.Export)
	if err != nil {
		return err
	}
	m.moved().Objects, m.moved().SHA256 = len(exported), digest
	served, err := m.originals()
	if err != nil {
		return err
	}
	there, _, err := listAll(ctx, served, "")
	if err != nil {
		return err
	}
	keys := sortedKeys(exported)
	return m.inParallel(ctx, len(keys), "objects have their fields' managers", func(ctx context.Context, i int) error {
		original, follower := exported[keys[i]], there[keys[i]]
		if follower == nil || len(original.GetManagedFields()) == 0 ||
			equality.Semantic.DeepEqual(original.GetManagedFields(), follower.GetManagedFields()) {
			return nil
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
			"managedFields": original.GetManagedFields(), "resourceVersion": follower.GetResourceVersion(),
		}})
		if err != nil {
			return err
		}
		_, err = served.Namespace(follower.GetNamespace()).Patch(ctx, follower.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("could not restore the managers of %s: %w", keys[i], err)
		}
		return nil
	})
}
