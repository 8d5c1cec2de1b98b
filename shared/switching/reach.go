package switching

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/install"
)

// Who will call the other form's server is not this program but each kube-apiserver: from where it runs, by the name of the
// Service, and with the certificate authority of the registration. That can be tried before anybody depends on it, since
// kube-apiserver calls a webhook in the same way: one is registered for an object that nobody has, and that object is tried.

const (
	reachConfiguration = "duet-switch-reach"
	// reachWebhook needs three parts by rule.
	reachWebhook = "reach.switch." + install.Group
	// reachLabel is on the only object that it is called for.
	reachLabel = install.Group + "/switch-reach"
)

// reachable is how long a server is given to be reached: it answers already, asked directly.
const reachable = 30 * time.Second

// unreachedError says that kube-apiserver has tried, and why it did not get there.
type unreachedError struct{ cause string }

func (e *unreachedError) Error() string { return "kube-apiserver could not call it: " + e.cause }

// unreached says whether reach has failed for that, and not because it was interrupted.
func unreached(ctx context.Context, err error) bool {
	cause := (*unreachedError)(nil)
	return ctx.Err() == nil && errors.As(err, &cause)
}

// reach makes sure that every kube-apiserver reaches what answers for a side, if that is a server of its own. That one does not is
// an *unreachedError; with any other error nobody knows.
func (m *move) reach(ctx context.Context, of side) error {
	target, err := called(of)
	if err != nil || target == nil {
		return err
	}
	probe := reachProbe(target)
	if err := m.installer.Apply(ctx, probe); err != nil {
		return err
	}
	if err := m.everywhereWithin(ctx, reachable, "it to be reached", m.tryReach); err != nil {
		return err
	}
	m.check("%s is reached by every kube-apiserver", of.form.Name())
	return m.installer.RemoveObjects(ctx, probe)
}

// called is how kube-apiserver is told to call the server of a side, as a webhook has it: from the registration of a version, or
// from the conversion of a definition. It is nil if kube-apiserver calls nobody.
func called(of side) (map[string]any, error) {
	if registrations := of.registrations(); len(registrations) > 0 {
		registered := registrations[0].Object
		service, _, err := unstructured.NestedMap(registered, "spec", "service")
		if err != nil {
			return nil, err
		}
		service["path"] = "/readyz"
		bundle, _, err := unstructured.NestedString(registered, "spec", "caBundle")
		return map[string]any{"service": service, "caBundle": bundle}, err
	}
	for _, definition := range of.definitions() {
		target, _, err := unstructured.NestedMap(definition.Object, "spec", "conversion", "webhook", "clientConfig")
		if err != nil || len(target) > 0 {
			return target, err
		}
	}
	return nil, nil
}

// reachProbe is the webhook. It is asked about nothing that exists, so one that is left behind hinders nobody.
func reachProbe(target map[string]any) []*unstructured.Unstructured {
	return []*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
		"metadata": map[string]any{"name": reachConfiguration},
		"webhooks": []any{map[string]any{
			"name":         reachWebhook,
			"clientConfig": target,
			"rules": []any{map[string]any{
				"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"configmaps"},
			}},
			"objectSelector":          map[string]any{"matchLabels": map[string]any{reachLabel: "true"}},
			"admissionReviewVersions": []any{"v1"},
			"sideEffects":             "None",
			"failurePolicy":           "Fail",
			"timeoutSeconds":          int64(5),
		}},
	}}}
}

// tryReach is nil if a kube-apiserver has had an answer, which is no review of the object, whatever it is.
func (m *move) tryReach(ctx context.Context, config *rest.Config) error {
	administrator, err := m.installer.ClientFor(config)
	if err != nil {
		return err
	}
	object := canary()
	object.SetName(object.GetName() + "-reach")
	object.SetLabels(map[string]string{reachLabel: "true"})
	return answeredCall(administrator.Create(ctx, object, client.DryRunAll))
}

// answeredCall is nil if the error of a request tells that the webhook's server gave an answer that could not be used. How
// kube-apiserver calls it and how it tells is in package validating of its webhook admission plugin; that a call had no answer is
// told as Go's HTTP client does, with method and URL.
func answeredCall(err error) error {
	if err == nil {
		return fmt.Errorf("webhook %s is not called yet", reachWebhook)
	}
	_, why, ok := strings.Cut(err.Error(), fmt.Sprintf("failed calling webhook %q: ", reachWebhook))
	if !ok {
		return err
	}
	cause, called := strings.CutPrefix(why, "failed to call webhook: ")
	if called && strings.HasPrefix(cause, `Post "`) {
		return &unreachedError{cause}
	}
	if !called && !strings.HasPrefix(why, "received invalid webhook response") {
		return err
	}
	return nil
}
