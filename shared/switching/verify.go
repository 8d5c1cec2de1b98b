package switching

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// verify compares every object as the old form has it with what the other form will answer.
func (m *move) verify(ctx context.Context) error {
	if m.strategy() == API {
		return m.compareMoved(ctx)
	}
	if m.state.Restores { // Both are the same, or the other one is not what it should be: nothing depends on it.
		m.check("%s has what it had: nobody has been let write to %s", m.to.form.Name(), m.from.form.Name())
		return nil
	}
	if len(m.to.registrations()) == 0 {
		return m.verifyDefinition(ctx)
	}
	direct, err := m.direct(m.to)
	if err != nil {
		return err
	}
	// The objects are not at rest: both are asked for the same moment, which the other server may learn of a little later.
	return until(ctx, "both forms to have the same objects", 500*time.Millisecond, func(ctx context.Context) error {
		before, at, err := list(ctx, m.installer.Env.Config(), "")
		if err != nil {
			return err
		}
		if m.strategy() == Dedicated { // The copy has resourceVersions of its own, and nobody writes.
			withoutVersions(before)
			at = ""
		}
		after, _, err := list(ctx, direct, at)
		if err != nil {
			return err
		}
		if err := unequal(differences(before, after)); err != nil {
			return err
		}
		m.result.Objects = len(before)
		m.check("%d objects are the same in both: UID, creationTimestamp, generation and all other fields", len(before))
		return nil
	})
}

// unequal is an error with the number of differences and the first of them; nil if there are none.
func unequal(found []string) error {
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%d differences: %s", len(found), strings.Join(found[:min(len(found), shownObjects)], "; "))
}

// verifyDefinition looks at the objects once more: nobody can ask the CustomResourceDefinition before it serves, but what
// it does to an object is known.
func (m *move) verifyDefinition(ctx context.Context) error {
	reasons, err := m.lookAtObjects(ctx)
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		return fmt.Errorf("objects have changed since the preflight: %s", strings.Join(reasons, "; "))
	}
	return nil
}

// withoutVersions takes the resourceVersions out.
func withoutVersions(objects map[string]*unstructured.Unstructured) {
	for _, object := range objects {
		object.SetResourceVersion("")
	}
}
