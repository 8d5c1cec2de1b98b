package switching

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// answerInterval is how often is looked who answers, which is part of how long a flip takes.
const answerInterval = 10 * time.Millisecond

// flip has the other form answer, one version after the other. On the way to a server the storage version is the last: the
// first one warms the server up, and has fewer users. On the way back it is the first (see caches).
func (m *move) flip(ctx context.Context) error {
	if err := m.asBefore(ctx); err != nil {
		return err
	}
	switch m.strategy() {
	case Dedicated:
		if err := m.newer(ctx); err != nil {
			return err
		}
	case API:
		if err := m.upToDate(ctx); err != nil {
			return err
		}
	}
	front, err := m.front()
	if err != nil {
		return err
	}
	m.state.Flipping = true
	if err := m.installer.WriteSwitch(ctx, m.state); err != nil {
		return err
	}
	toServer := len(m.to.registrations()) > 0
	served := false
	if !toServer {
		served = m.serves(ctx, m.to) == nil
		if err := m.define(ctx, front, m.to); err != nil {
			return err
		}
	}
	versions := slices.Clone(m.from.versions())
	if toServer {
		slices.Reverse(versions)
	}
	var filling []*caches
	if !toServer && len(versions) > 1 {
		if filling, err = cachesOf(ctx, front, versions, served); err != nil {
			return err
		}
	}
	for i, version := range versions {
		m.progress("  %s goes to %s", version, m.to.form.Name())
		if toServer {
			err = m.toServer(ctx, front, version)
		} else {
			err = m.toDefinition(ctx, front, version)
		}
		if err != nil {
			return err
		}
		if err := front.answered(ctx, version, !toServer); err != nil {
			return err
		}
		m.check("%s is answered by %s", version, m.to.form.Name())
		if i == 0 && len(filling) > 0 {
			if err := m.filled(ctx, filling); err != nil {
				return err
			}
		}
	}
	return nil
}

// asBefore looks once more at what the steps before have made sure of: a run may have ended before the flip, and nobody knows for
// how long.
func (m *move) asBefore(ctx context.Context) error {
	reasons, err := m.lookAtGroup(ctx)
	if err != nil {
		return err
	}
	if m.strategy() != Shared {
		unfenced, err := m.unfenced(ctx)
		if err != nil {
			return err
		}
		reasons = append(reasons, unfenced...)
	}
	if err := m.ready(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		reasons = append(reasons, fmt.Sprintf("%s does not answer beside %s any more: %v", m.to.form.Name(), m.from.form.Name(), err))
	} else if err := m.reach(ctx, m.to); err != nil {
		if !unreached(ctx, err) {
			return err
		}
		reasons = append(reasons, fmt.Sprintf("%s answers, but kube-apiserver does not reach it any more: %v", m.to.form.Name(), err))
	}
	if len(reasons) > 0 {
		return &RefusedError{Reasons: reasons}
	}
	return nil
}

// define has the CustomResourceDefinition of a side serve. Requests do not get there yet. From now on the OpenAPI v2
// document of the cluster has the group twice, and cannot be built anew, until the APIServices are flipped: that follows at
// once. A kube-apiserver that was to hear of that before it knows the definition would answer 404.
func (m *move) define(ctx context.Context, front front, side side) error {
	if err := m.installer.ParkObjects(ctx, side.definitions()); err != nil {
		return err
	}
	for _, definition := range side.definitions() {
		stored := definition.DeepCopy()
		if err := m.installer.Client().Get(ctx, client.ObjectKeyFromObject(definition), stored); err != nil {
			return err
		}
		if err := front.seen(ctx, definitionsPath, stored); err != nil {
			return err
		}
	}
	return nil
}

// toServer sends a version to the server of the form.
func (m *move) toServer(ctx context.Context, front front, version string) error {
	wanted := registrationOf(m.to, version)
	if wanted == nil {
		return fmt.Errorf("%s does not register %s", m.to.form.Name(), version)
	}
	current, err := m.registration(ctx, version)
	if err != nil {
		return err
	}
	if current != nil && equality.Semantic.DeepEqual(current.Object["spec"], withDefaults(wanted, current)) &&
		m.documented(ctx, front, []string{version}, m.to, m.from) == nil {
		return nil // An earlier run got this far.
	}
	if m.strategy() == API {
		if err := m.overtake(ctx); err != nil {
			return err
		}
	}
	if err := m.catching(ctx, front); err != nil {
		return err
	}
	if current == nil { // Without one there is nothing whose end the gate could hold up.
		if current, err = m.renew(ctx, version, nil); err != nil {
			return err
		}
	}
	return m.behindGates(ctx, front, version, current, func(local *unstructured.Unstructured) error {
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{
				"labels": map[string]any{automanagedLabel: "false"}, "uid": local.GetUID(),
			},
			"spec": wanted.Object["spec"],
		})
		if err != nil {
			return err
		}
		if err := m.installer.Client().Patch(ctx, local, client.RawPatch(types.MergePatchType, patch)); err != nil {
			return fmt.Errorf("could not send %s to %s: %w", version, m.to.form.Name(), err)
		}
		return nil
	})
}

// catching makes sure that the CustomResourceDefinition serves, so that requests find it while there is no APIService. It
// does, unless a rollback begins after it was parked.
func (m *move) catching(ctx context.Context, front front) error {
	if err := m.serves(ctx, m.from); err == nil {
		return nil
	}
	if err := m.define(ctx, front, m.from); err != nil {
		return err
	}
	return m.serves(ctx, m.from)
}

// serves is nil when the CustomResourceDefinition of a side is established and serves every version of it.
func (m *move) serves(ctx context.Context, s side) error {
	definitions := s.definitions()
	if len(definitions) == 0 {
		return fmt.Errorf("%s has no CustomResourceDefinition", s.form.Name())
	}
	stored := definitions[0].DeepCopy()
	if err := m.installer.Client().Get(ctx, client.ObjectKeyFromObject(stored), stored); err != nil {
		return err
	}
	if err := seasoned(stored, time.Now()); err != nil {
		return err
	}
	versions, _, err := unstructured.NestedSlice(stored.Object, "spec", "versions")
	if err != nil {
		return err
	}
	for _, version := range versions {
		version, ok := version.(map[string]any)
		if name, _ := version["name"].(string); ok && slices.Contains(s.versions(), name) && version["served"] != true {
			return fmt.Errorf("the CustomResourceDefinition does not serve %s", name)
		}
	}
	return nil
}

// toDefinition has a version answered by the CustomResourceDefinition. The APIService is deleted rather than changed, so
// that kube-apiserver forgets the OpenAPI documents of the server; until it has made the APIService anew, which it does at
// once, requests go to the CustomResourceDefinition as well. One that an earlier run has deleted is deleted once more: nobody
// can see whether it was forgotten.
func (m *move) toDefinition(ctx context.Context, front front, version string) error {
	current, err := m.registration(ctx, version)
	if err != nil {
		return err
	}
	return m.behindGates(ctx, front, version, current, nil)
}

// renew deletes an APIService, and returns the one that kube-apiserver makes instead for the CustomResourceDefinition. If
// that did not serve, every object would answer 404, and the garbage collector would take its children: so it is looked at
// first.
func (m *move) renew(ctx context.Context, version string, current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	definition := m.to
	if len(m.from.definitions()) > 0 {
		definition = m.from
	}
	if err := m.serves(ctx, definition); err != nil {
		return nil, fmt.Errorf("could not take the registration of %s away: %w", version, err)
	}
	var before types.UID
	if current != nil {
		before = current.GetUID()
		err := m.installer.Client().Delete(ctx, current, client.Preconditions{UID: &before})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return nil, fmt.Errorf("could not delete APIService %s: %w", current.GetName(), err)
		}
	}
	var renewed *unstructured.Unstructured
	err := until(ctx, "kube-apiserver to register "+version+" as its own", answerInterval, func(ctx context.Context) error {
		var err error
		if renewed, err = m.registration(ctx, version); err != nil {
			return err
		}
		if renewed == nil || renewed.GetUID() == before || !isLocal(renewed) {
			return fmt.Errorf("there is no new APIService of %s yet", version)
		}
		return nil
	})
	return renewed, err
}
