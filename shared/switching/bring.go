package switching

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/install"
)

// bring starts what the other form needs, up to where nothing but the flip is missing. Nobody's requests go there yet.
func (m *move) bring(ctx context.Context) error {
	switch m.strategy() {
	case Dedicated:
		if err := m.startStorage(ctx, m.to); err != nil {
			return err
		}
		if err := m.copyObjects(ctx); err != nil {
			return err
		}
	case API:
		if err := m.importable(ctx); err != nil {
			return err
		}
		if err := m.fencedBeside(ctx); err != nil {
			return err
		}
		return m.remake(ctx)
	}
	if err := m.beside(ctx); err != nil || m.strategy() == Shared {
		return err
	}
	return m.fencedBeside(ctx)
}

// beside starts the other form beside the one that serves.
func (m *move) beside(ctx context.Context) error {
	if err := m.installer.Prepare(ctx, m.to.plan); err != nil {
		return err
	}
	// Either form's server asks the webhooks, so that from here until the old form is parked rules are enforced twice: who
	// answers has to be there before anybody is told to ask.
	if err := m.ready(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return refuse("%s cannot be brought to answer beside %s: %v", m.to.form.Name(), m.from.form.Name(), err)
	}
	if err := m.reach(ctx, m.to); err != nil {
		if unreached(ctx, err) {
			return refuse("%s answers, but kube-apiserver does not reach it: %v", m.to.form.Name(), err)
		}
		return err
	}
	if err := m.installer.Apply(ctx, m.to.companions()); err != nil {
		return err
	}
	for _, definition := range m.to.definitions() {
		if err := m.bringDefinition(ctx, definition); err != nil {
			return err
		}
	}
	return nil
}

// bringDefinition makes the CustomResourceDefinition if it is not there, serving nothing, or through the API no more than
// what objects are imported with. It has to be established for some seconds before it serves well: kube-apiserver delays
// what is created in one that is new.
func (m *move) bringDefinition(ctx context.Context, definition *unstructured.Unstructured) error {
	stored := definition.DeepCopy()
	err := m.installer.Client().Get(ctx, client.ObjectKeyFromObject(definition), stored)
	if apierrors.IsNotFound(err) || m.strategy() == API && err == nil {
		var waiting []*unstructured.Unstructured
		if waiting, err = m.waiting(); err != nil {
			return err
		}
		err = m.installer.ParkObjects(ctx, waiting)
	}
	if err != nil {
		return err
	}
	if err := m.holdDefinition(ctx); err != nil {
		return err
	}
	asked := time.Now()
	if err := until(ctx, "the CustomResourceDefinition to be established", fenceInterval, func(ctx context.Context) error {
		if err := m.installer.Client().Get(ctx, client.ObjectKeyFromObject(definition), stored); err != nil {
			return err
		}
		err := seasoned(stored, time.Now())
		if errors.Is(err, install.ErrNotEstablished) && time.Since(asked) >= install.EstablishTimeout {
			asked = time.Now()
			err = errors.Join(err, m.installer.EstablishAnew(ctx, definition))
		}
		return err
	}); err != nil {
		return err
	}
	m.check("the CustomResourceDefinition is established")
	return nil
}

// season is how long kube-apiserver holds creates up after a definition was established, and some more.
const season = 6 * time.Second

// seasoned is nil when a definition has been established for long enough.
func seasoned(definition *unstructured.Unstructured, now time.Time) error {
	since, err := install.Established(definition)
	if err != nil {
		return err
	}
	if age := now.Sub(since); age < season {
		return fmt.Errorf("it has been established for %s only", age.Round(time.Second))
	}
	return nil
}

// ready waits until the other form's own server answers, asked directly.
func (m *move) ready(ctx context.Context) error {
	process, ok := m.to.plan.Server()
	if !ok {
		return nil
	}
	config, err := m.direct(m.to)
	if err != nil {
		return err
	}
	server, err := newAsker(config)
	if err != nil {
		return err
	}
	err = until(ctx, process.Name+" to be ready", 100*time.Millisecond, func(ctx context.Context) error {
		if err := m.installer.Running(ctx, m.to.plan); err != nil {
			return err
		}
		if _, err := server.get(ctx, "/readyz"); err != nil {
			return err
		}
		if len(m.to.registrations()) == 0 {
			return nil // Its rules can be tried through the API only.
		}
		if err := install.Serves(ctx, config, m.to.versions()...); err != nil {
			return err
		}
		for _, version := range m.to.versions() {
			if err := install.Enforces(ctx, config, version); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.check("%s is ready, asked directly", process.Name)
	return nil
}

// unprepare takes away what was brought.
func (m *move) unprepare(ctx context.Context) error {
	if m.strategy() == API && m.state.Export != "" { // Nobody may delete the children before they have their owners.
		if err := m.adopt(ctx); err != nil {
			return err
		}
	}
	if len(m.to.definitions()) > 0 {
		parked := m.to.form.Park(m.to.plan)
		if err := m.installer.ParkObjects(ctx, parked); err != nil {
			return err
		}
		for _, definition := range parked {
			if err := m.installer.Withdraw(ctx, definition, func(context.Context) error {
				return m.installer.Undocumented(importVersion)
			}); err != nil {
				return err
			}
		}
	}
	if err := m.dismiss(ctx, m.to); err != nil {
		return err
	}
	m.check("what was prepared for %s is gone; %s serves", m.to.form.Name(), m.from.form.Name())
	if err := m.releaseWrites(ctx); err != nil {
		return err
	}
	return m.lowerFences(ctx)
}
