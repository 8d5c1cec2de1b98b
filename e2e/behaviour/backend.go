package behaviour

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// backend is the server that a form needs beside kube-apiserver, whatever it does there. The rows about failures do the
// same to it on both forms: what they know of it comes from the form's plan.
type backend struct {
	subject *Subject
	plan    *install.Plan
	name    string
	at      address
	// objects and wire are not recorded: the evidence of a row is what users see.
	objects dynamic.Interface
	wire    *wire.Client
	// undo puts back what the server was started with.
	undo []func(context.Context) error
}

// backend of the subject's form. When the row is over the server is as it was, whatever happened to it.
func (s *Subject) backend(ctx context.Context) (*backend, error) {
	env := s.Site.Installer.Env
	plan, err := env.Plan(ctx, s.Site.Form, s.Profile)
	if err != nil {
		return nil, fmt.Errorf("could not read the form's plan: %w", err)
	}
	server, ok := plan.Server()
	if !ok {
		return nil, errors.New("could not find the form's server: its plan has no process")
	}
	b := &backend{subject: s, plan: plan, name: server.Name}
	if b.at, err = addressOf(s.Site, plan, server); err != nil {
		return nil, err
	}
	config := s.Site.Config()
	config.QPS = -1
	if b.objects, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("could not make a client: %w", err)
	}
	if b.wire, err = wire.New(config); err != nil {
		return nil, err
	}
	s.afterwards(b.restore)
	return b, nil
}

// backendOf is the form in an annex, and its server there.
func (s *Subject) backendOf(ctx context.Context, wanted setting) (*Subject, *backend, error) {
	there, err := s.annex(ctx, wanted)
	if err != nil {
		return nil, nil, err
	}
	b, err := there.backend(ctx)
	return there, b, err
}

func (b *backend) runner() process.Runner { return b.subject.Site.Plane.Runner() }

// kill ends the server as a crash would, and has kube-apiserver look.
func (b *backend) kill(ctx context.Context) error {
	if err := b.runner().Kill(ctx, b.name); err != nil {
		return err
	}
	return b.missed(ctx)
}

// crash ends any process of the control plane as a crash would, and starts it again.
func (b *backend) crash(ctx context.Context, name string) error {
	if err := b.runner().Kill(ctx, name); err != nil {
		return err
	}
	return b.runner().Restart(ctx, name)
}

// missed returns when kube-apiserver knows that the server does not answer.
func (b *backend) missed(ctx context.Context) error {
	if err := b.touch(ctx); err != nil {
		return err
	}
	_, err := b.await(ctx, metav1.ConditionFalse)
	return err
}

// restore puts everything back: how the server is reached, what it is started with, and that it runs and answers.
func (b *backend) restore(ctx context.Context) error {
	err := eventually(ctx, "kube-apiserver", func(ctx context.Context) (bool, error) {
		answer, err := b.wire.Send(ctx, "GET", "/readyz", nil, wire.Accept("*/*"))
		return err == nil && answer.OK(), nil
	})
	if err != nil {
		return err
	}
	if err := b.direct(ctx, b.at); err != nil {
		return err
	}
	if len(b.undo) > 0 {
		for ; len(b.undo) > 0; b.undo = b.undo[:len(b.undo)-1] {
			if err := b.undo[len(b.undo)-1](ctx); err != nil {
				return err
			}
		}
		if err := b.runner().Restart(ctx, b.name); err != nil {
			return err
		}
	}
	for _, spec := range b.plan.Processes {
		if err := b.runner().Run(ctx, spec); err != nil {
			return err
		}
	}
	return b.awaitServing(ctx)
}

// readyPatience is how long a server may take to get ready. It takes a second or two.
const readyPatience = 10 * time.Second

// awaitServing returns when the server is ready and everything is served again.
func (b *backend) awaitServing(ctx context.Context) error {
	if err := awaitReady(ctx, b.name, b.at); err != nil {
		return err
	}
	if err := b.touch(ctx); err != nil {
		return err
	}
	if _, err := b.await(ctx, metav1.ConditionTrue); err != nil {
		return err
	}
	return b.subject.Site.settle(ctx)
}

// addressOf a server of a plan.
func addressOf(site *Site, plan *install.Plan, server process.Spec) (address, error) {
	port, err := site.Installer.Env.Port(server.Name)
	if err != nil {
		return address{}, err
	}
	bundle, err := bundleIn(plan.Objects)
	return address{port: port, bundle: bundle}, err
}

// ask the server itself, as nobody in particular.
func (b *backend) ask(ctx context.Context, path string) (*wire.Answer, error) {
	return b.at.ask(ctx, path)
}

// ask the server at an address.
func (a address) ask(ctx context.Context, path string) (*wire.Answer, error) {
	client, err := wire.New(&rest.Config{
		Host:            "https://" + loopback(a.port),
		TLSClientConfig: rest.TLSClientConfig{CAData: a.bundle},
		Timeout:         5 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	return client.Send(ctx, "GET", path, nil, wire.Accept("*/*"))
}

func awaitReady(ctx context.Context, name string, at address) error {
	return eventually(ctx, name+" ready", func(ctx context.Context) (bool, error) {
		answer, err := at.ask(ctx, "/readyz")
		return err == nil && answer.OK(), nil
	})
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// touch changes the objects that make the API appear, and changes them back: kube-apiserver looks at what it is told of
// at once, and otherwise every 30 seconds only.
func (b *backend) touch(ctx context.Context) error {
	for _, value := range []string{`"now"`, "null"} {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"duet.example.com/touched":%s}}}`, value)
		for _, object := range b.plan.Objects {
			_, err := b.resource(object).Patch(ctx, object.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
			if err != nil {
				return fmt.Errorf("could not touch %s: %w", object.GetName(), err)
			}
		}
	}
	return nil
}

func (b *backend) resource(object *unstructured.Unstructured) dynamic.ResourceInterface {
	resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	return b.objects.Resource(resource).Namespace(object.GetNamespace())
}

// untold is what conditions says of a form whose objects do not have the condition.
const untold = "nothing says so"

// conditions are what kube-apiserver says about reaching the server, of each object that has an Available condition.
func (b *backend) conditions(ctx context.Context) ([]metav1.ConditionStatus, string, error) {
	var statuses []metav1.ConditionStatus
	var texts []string
	for _, object := range b.plan.Objects {
		current, err := b.resource(object).Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return nil, "", fmt.Errorf("could not read %s: %w", object.GetName(), err)
		}
		conditions, _, _ := unstructured.NestedSlice(current.Object, "status", "conditions")
		for _, condition := range conditions {
			if nested(condition, "type") != "Available" {
				continue
			}
			status, _ := nested(condition, "status").(string)
			version, _, _ := strings.Cut(object.GetName(), ".")
			statuses = append(statuses, metav1.ConditionStatus(status))
			texts = append(texts, fmt.Sprintf("%s Available=%s %s", version, status, nested(condition, "reason")))
		}
	}
	if len(texts) == 0 {
		return nil, untold, nil
	}
	return statuses, strings.Join(texts, ", "), nil
}

// await returns when every object that has an Available condition has it with a status, and kube-apiserver acts on it.
// It returns what the objects say then. The objects of a form without one have nothing to wait for.
func (b *backend) await(ctx context.Context, want metav1.ConditionStatus) (string, error) {
	var text string
	err := eventually(ctx, "Available="+string(want), func(ctx context.Context) (bool, error) {
		statuses, now, err := b.conditions(ctx)
		text = now
		if slices.ContainsFunc(statuses, func(status metav1.ConditionStatus) bool { return status != want }) {
			return false, err
		}
		if len(statuses) == 0 || want != metav1.ConditionFalse {
			return err == nil, err
		}
		return b.refused(ctx), err
	})
	return text, err
}

// refused is whether kube-apiserver no longer tries to reach the server.
func (b *backend) refused(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // it answers at once, or is still trying
	defer cancel()
	answer, err := b.wire.Send(ctx, "GET", b.subject.path(), nil)
	return err == nil && strings.TrimSpace(string(answer.Body)) == "service unavailable"
}
