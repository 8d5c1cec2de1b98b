package switching

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// documentsTimeout is how long kube-apiserver may take to read the OpenAPI documents of a server that was registered, on a
// machine that is busy: it begins after a second.
const documentsTimeout = 30 * time.Second

// park takes the old form out of service, now that nobody is sent to it.
func (m *move) park(ctx context.Context) error {
	if !m.state.Opened {
		if err := m.handOver(ctx); err != nil {
			return err
		}
	}
	m.progress("  lowering the fences")
	if err := m.releaseWrites(ctx); err != nil {
		return err
	}
	for _, definition := range m.from.definitions() {
		if err := m.withdrawDocuments(ctx, definition); err != nil {
			return err
		}
	}
	if err := m.dismiss(ctx, m.from); err != nil {
		return err
	}
	if err := m.lowerFences(ctx); err != nil {
		return err
	}
	m.check("the fences are lowered")
	return m.installer.WriteRecord(ctx, m.to.form, m.to.profile)
}

// handOver does what the old form is still needed for, as it was when writes were fenced off. That this is over is written
// down before a write is let in: a run that repeated it would undo what clients have written since.
func (m *move) handOver(ctx context.Context) error {
	if len(m.from.definitions()) > 0 {
		if err := m.parkDefinition(ctx); err != nil {
			return err
		}
	}
	if m.strategy() == Shared {
		return nil // Both forms have the same objects, at any time.
	}
	// Nobody is sent to the old form any more. Who still watches it would not hear of what is written from here on.
	leave := m.stopServer
	if m.strategy() == Dedicated && !m.leavesIdle() {
		leave = m.startStorage // which a run that goes on may not find
	}
	if err := leave(ctx, m.from); err != nil {
		return err
	}
	switch m.strategy() {
	case Dedicated:
		// In this order: what is copied late is newer than anything that the old form has said.
		if err := m.outpaced(ctx); err != nil {
			return err
		}
		if err := m.caughtUp(ctx); err != nil {
			return err
		}
	case API:
		if err := m.settle(ctx); err != nil {
			return err
		}
	}
	m.progress("  writing down that writes are let in from here on")
	m.state.Opened = true
	return m.installer.WriteSwitch(ctx, m.state)
}

// stopServer stops what answers for a side, and ends the watches there; what it stores in goes on. For a
// CustomResourceDefinition kube-apiserver answers.
func (m *move) stopServer(ctx context.Context, of side) error {
	server, ok := of.plan.Server()
	if !ok || len(of.registrations()) == 0 {
		return nil
	}
	return m.installer.Dismiss(ctx, &install.Plan{Processes: []process.Spec{server}})
}

// parkDefinition has the CustomResourceDefinition serve nothing. Its watches end within a second, and clients open them
// again where they were. It comes after the flip: before, its versions would answer 404.
//
// It also takes the CustomResourceDefinition's part out of the OpenAPI v2 document. That of the server is in by then, if the
// worker was really held back while it was registered. Whether it was shows only now.
func (m *move) parkDefinition(ctx context.Context) error {
	front, err := m.front()
	if err != nil {
		return err
	}
	left, err := m.leftWithDefinition(ctx)
	if err != nil {
		return err
	}
	if left {
		if err := m.registerAgain(ctx, front); err != nil {
			return err
		}
	}
	parked := m.from.form.Park(m.from.plan)
	const attempts = 5
	for attempt := 1; ; attempt++ {
		if err := m.installer.ParkObjects(ctx, parked); err != nil {
			return err
		}
		err := m.awaitDocuments(ctx, front)
		if err == nil {
			m.check("the CustomResourceDefinition serves nothing, and OpenAPI has what %s documents", m.to.form.Name())
			return nil
		}
		if attempt == attempts || ctx.Err() != nil {
			return fmt.Errorf("the OpenAPI documents of the cluster are not complete: %w", err)
		}
		m.progress("  registering once more: %v", err)
		if err := m.registerAgain(ctx, front); err != nil {
			return err
		}
	}
}

// withdrawDocuments has the CustomResourceDefinition that is parked leave OpenAPI v3. It comes when what the server has
// there is known to be there, and when nobody has to wait for it.
func (m *move) withdrawDocuments(ctx context.Context, parked *unstructured.Unstructured) error {
	front, err := m.front()
	if err != nil {
		return err
	}
	if err := m.installer.Withdraw(ctx, parked, func(ctx context.Context) error {
		return m.documented(ctx, front, m.to.versions(), m.to)
	}); err != nil {
		return err
	}
	m.check("OpenAPI v3 has nothing of the CustomResourceDefinition any more")
	return nil
}

// leftWithDefinition says whether a run has ended while it registered once more, so that the CustomResourceDefinition answers
// for a version. If that served nothing, every object would answer 404.
func (m *move) leftWithDefinition(ctx context.Context) (bool, error) {
	for _, version := range m.from.versions() {
		registration, err := m.registration(ctx, version)
		if err != nil {
			return false, err
		}
		if registration == nil || isLocal(registration) {
			return true, nil
		}
	}
	return false, nil
}

// registerAgain sends every version to the server once more. The CustomResourceDefinition answers meanwhile.
func (m *move) registerAgain(ctx context.Context, front front) error {
	if err := m.define(ctx, front, m.from); err != nil {
		return err
	}
	for _, version := range m.from.versions() {
		if err := m.toServer(ctx, front, version); err != nil {
			return err
		}
		if err := front.answered(ctx, version, false); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) awaitDocuments(ctx context.Context, front front) error {
	ctx, cancel := context.WithTimeout(ctx, documentsTimeout)
	defer cancel()
	return until(ctx, "the OpenAPI documents", 100*time.Millisecond, func(ctx context.Context) error {
		return m.documented(ctx, front, m.from.versions(), m.to, m.from)
	})
}

// dismiss takes away what is asked beside a form's server, and then its processes.
func (m *move) dismiss(ctx context.Context, side side) error {
	if companions := side.companions(); len(companions) > 0 {
		if err := m.installer.RemoveObjects(ctx, companions); err != nil {
			return err
		}
		if err := pause(ctx, propagation); err != nil { // Servers that do not know yet still ask the webhooks.
			return err
		}
	}
	return m.installer.Dismiss(ctx, side.plan)
}

// confirm looks at the result as a user will.
func (m *move) confirm(ctx context.Context) error {
	if err := m.installer.WaitServing(ctx, m.to.form, m.to.profile, m.to.plan); err != nil {
		return err
	}
	m.check("every version answers, is in discovery, and enforces the rules")
	front, err := m.front()
	if err != nil {
		return err
	}
	if err := until(ctx, "the OpenAPI documents", 100*time.Millisecond, func(ctx context.Context) error {
		return m.documented(ctx, front, m.to.versions(), m.to)
	}); err != nil {
		return err
	}
	m.check("/openapi/v2 and /openapi/v3 describe it, and nothing else")
	detected, err := install.Detect(ctx, m.installer.Client())
	if err != nil {
		return err
	}
	if detected.Form != m.to.form.Name() {
		return fmt.Errorf("%q serves, and not %s", detected.Form, m.to.form.Name())
	}
	return nil
}
