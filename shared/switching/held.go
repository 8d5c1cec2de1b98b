package switching

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What follows renews an APIService so that every kube-apiserver has really forgotten the old one. The worker that
// registers them only looks at what there is: one that looks too late, or is busy with another APIService, finds the new one
// where the old one was, and takes the two for one that has changed. It then goes on with the OpenAPI documents and the
// discovery of the server before, until it is started again. So it is looked at, and done once more if need be.

// errNotHeld says that a worker has not forgotten an APIService, or has learned of it again too early.
var errNotHeld = errors.New("kube-apiserver has not forgotten the APIService before")

const (
	// renewals are how often it is tried. A worker that is busy is not when the gates have been open for a moment.
	renewals = 10
	// holdTimeout is how long a worker may take to forget. It does so at once, unless it is busy: then each try gives it as
	// much more, up to longestHold.
	holdTimeout = time.Second
	longestHold = 5 * time.Second
)

// behindGates renews the APIService of a version while every worker is held, and lets them see only what a change has then
// made of it. Without a change that is the one that kube-apiserver made.
func (m *move) behindGates(ctx context.Context, front front, version string, current *unstructured.Unstructured,
	change func(*unstructured.Unstructured) error) error {
	for attempt := 1; ; attempt++ {
		hold := min(time.Duration(attempt)*holdTimeout, longestHold)
		renewed, err := m.tryBehindGates(ctx, front, hold, version, current, change)
		if !errors.Is(err, errNotHeld) || attempt == renewals || ctx.Err() != nil {
			return err
		}
		m.progress("  registering %s once more: %v", version, err)
		if renewed != nil {
			current = renewed
		}
		if err := pause(ctx, told); err != nil {
			return err
		}
	}
}

func (m *move) tryBehindGates(ctx context.Context, front front, hold time.Duration, version string,
	current *unstructured.Unstructured, change func(*unstructured.Unstructured) error) (*unstructured.Unstructured, error) {
	gates, err := m.closeGates(ctx, gateWrites+2*hold)
	if overdue(ctx, err) {
		return nil, fmt.Errorf("%w: its gate could not be closed in time", errNotHeld)
	}
	if err != nil {
		return nil, err
	}
	defer gates.open()
	renewed, err := m.renew(ctx, version, current)
	if err != nil {
		return nil, err
	}
	if err := front.seen(ctx, registrationsPath, renewed); err != nil {
		return renewed, err
	}
	if err := front.held(ctx, hold, version); err != nil || change == nil {
		return renewed, err
	}
	if err := change(renewed); err != nil {
		return renewed, err
	}
	// The workers have to see the object as it is now when the gates open, and not before.
	if err := front.seen(ctx, registrationsPath, renewed); err != nil {
		return renewed, err
	}
	return renewed, front.held(ctx, hold, version)
}

// held is nil when every worker has forgotten a version, and waits at its gate, and errNotHeld if that takes longer than it may.
func (f front) held(ctx context.Context, limit time.Duration, version string) error {
	return f.each(func(a *asker) error {
		err := untilWithin(ctx, limit, "the end of the APIService before", answerInterval, func(ctx context.Context) error {
			registered, err := a.registered(ctx, version)
			if err == nil && registered {
				err = errNotHeld
			}
			return err
		})
		if overdue(ctx, err) {
			return fmt.Errorf("%w: it has not told within %s", errNotHeld, limit)
		}
		return err
	})
}

// registered says whether kube-apiserver has an APIService of a version: what it has is in its index, and nothing else
// puts it there.
func (a *asker) registered(ctx context.Context, version string) (bool, error) {
	body, err := a.get(ctx, "/")
	if err != nil {
		return false, err
	}
	var index struct {
		Paths []string `json:"paths"`
	}
	if err := json.Unmarshal(body, &index); err != nil {
		return false, fmt.Errorf("could not read the index of kube-apiserver: %w", err)
	}
	return slices.Contains(index.Paths, "/apis/"+groupVersion(version).String()), nil
}
