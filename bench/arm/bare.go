package arm

import (
	"bytes"
	"context"

	"k8s.io/client-go/rest"
)

// Bare is a server that answers as an API does and keeps nothing (see bench/echo): there is nothing to prepare.
type Bare struct {
	// Config reaches the server.
	Config *rest.Config
}

// Connect implements Target.
func (b Bare) Connect(a *Arm) (Client, error) { return Kubernetes{Config: b.Config}.Connect(a) }

// Prepare implements Target: the server must answer.
func (b Bare) Prepare(ctx context.Context, a *Arm) error {
	client, err := b.Connect(a)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.List(ctx, a.Namespace, &bytes.Buffer{})
	return err
}

// Cleanup implements Target.
func (b Bare) Cleanup(context.Context, *Arm) error { return nil }

// Can implements Target.
func (Bare) Can() Ability { return Answer }
