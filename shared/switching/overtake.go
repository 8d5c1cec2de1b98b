package switching

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/shared/install"
)

// overtake sees to it, right before clients of a version are sent to the server, that every object there is newer than
// anything that the CustomResourceDefinition has told them. It is as a rule. But a run may have ended when one version was
// flipped, and while the other was not, the definition went on with the revisions of the cluster. Who came from there with
// one would not be told of an object that was made anew before it, and keep the UID that it had.
//
// The server may serve the other version by then, so that nothing can be taken back and made once more: every object is
// written, with a revision that is still to come, and is as it was.
func (m *move) overtake(ctx context.Context) error {
	configMaps, err := m.configMaps()
	if err != nil {
		return err
	}
	for round := range rounds {
		now, err := revision(ctx, configMaps)
		if err != nil {
			return err
		}
		if now+lastLeeway < m.state.Raised {
			return nil
		}
		m.progress("  %s has come to where %s goes on: writing every object there once more", m.from.form.Name(), m.to.form.Name())
		if err := m.rewriteCopies(ctx, now+leeway<<round); err != nil {
			return err
		}
	}
	return m.tooFast()
}

// rewriteCopies has every copy be newer than a revision.
func (m *move) rewriteCopies(ctx context.Context, target int64) error {
	copies, there, err := m.copied(ctx)
	if err != nil {
		return err
	}
	if err := m.fill(ctx, copies.Namespace(install.Namespace), canaryInstance(), target); err != nil {
		return err
	}
	keys := sortedKeys(there)
	if err := m.inParallel(ctx, len(keys), "objects are written once more", func(ctx context.Context, i int) error {
		object := there[keys[i]]
		for _, value := range []any{keys[i], nil} {
			patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{fillerAnnotation: value}}})
			if err != nil {
				return err
			}
			of := copies.Namespace(object.GetNamespace())
			if _, err := of.Patch(ctx, object.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	m.state.Raised = target
	return m.installer.WriteSwitch(ctx, m.state)
}
