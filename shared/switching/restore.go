package switching

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What follows is for a rollback that has nothing to take from the form that it leaves, or nobody there to ask.

// restore has the storage that the copy was made from go on, above everything that the copy may have handed out. Nothing is taken
// from there: nobody has been let write to it, and it may be what was wrong.
func (m *move) restore(ctx context.Context) error {
	target, err := openStore(ctx, m.to.plan.Etcd)
	if err != nil {
		return err
	}
	defer target.close()
	objects, err := target.read(ctx)
	if err != nil {
		return err
	}
	above, err := m.handedOut(ctx, len(objects.values))
	if err != nil {
		return err
	}
	raised := max(above, objects.revision) + headroom
	if err := target.raise(ctx, raised, m.installer.Progress); err != nil {
		return err
	}
	m.progress("  writing %d objects once more, as they are", len(objects.values))
	if err := target.renew(ctx); err != nil {
		return err
	}
	m.state.Raised = raised
	m.check("%d objects of %s are as they were, and their resourceVersions go on from %d", len(objects.values), m.to.form.Name(), raised)
	return m.installer.WriteSwitch(ctx, m.state)
}

// handedOut is what no resourceVersion of the copy is above. Where its etcd does not answer that follows from where it began: each
// object was written once, and the server itself writes next to nothing.
func (m *move) handedOut(ctx context.Context, objects int) (int64, error) {
	asking, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	now, err := revisionAt(asking, m.from.plan.Etcd)
	if err == nil || ctx.Err() != nil || m.state.Raised == 0 {
		return now, err
	}
	m.check("the storage of %s does not answer, and is not needed", m.from.form.Name())
	return m.state.Raised + int64(objects) + headroom, nil
}

// objects are those that clients have, or, where a rollback leaves a form that does not answer, those that it has stored.
func (m *move) objects(ctx context.Context) (map[string]*unstructured.Unstructured, error) {
	found, _, err := list(ctx, m.installer.Env.Config(), "")
	if err == nil || !m.state.Rollback || m.strategy() == API || ctx.Err() != nil {
		return found, err
	}
	stored, storedErr := m.stored(ctx)
	if storedErr != nil {
		return nil, errors.Join(err, storedErr)
	}
	m.check("%s does not answer: its objects are looked at where they are stored", m.from.form.Name())
	return stored, nil
}

// stored are the objects as the form that is left has stored them.
func (m *move) stored(ctx context.Context) (map[string]*unstructured.Unstructured, error) {
	source, err := openStore(ctx, m.from.plan.Etcd)
	if err != nil {
		return nil, err
	}
	defer source.close()
	objects, err := source.read(ctx)
	if err != nil {
		return nil, err
	}
	return objects.decoded()
}

// decoded are the objects of a snapshot, by namespace and name. What is not JSON only a server could read.
func (s snapshot) decoded() (map[string]*unstructured.Unstructured, error) {
	out := map[string]*unstructured.Unstructured{}
	for key, value := range s.values {
		if bytes.HasPrefix(value, protobufPrefix) || bytes.HasPrefix(value, encryptedPrefix) {
			return nil, fmt.Errorf("%s is stored as protobuf, or encrypted, so that only a server that answers could read it", key)
		}
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal(value, &object.Object); err != nil {
			return nil, fmt.Errorf("could not read %s as it is stored: %w", key, err)
		}
		out[key] = object
	}
	return out, nil
}
