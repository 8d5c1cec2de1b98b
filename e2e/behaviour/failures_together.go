package behaviour

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

// registrationFailureRows are about what is registered and should not be, or no longer has anything behind it. They
// happen on a control plane of their own.
var registrationFailureRows = []Row{
	{
		ID: "G6", Group: Failures, Title: "The other form is applied over this one by hand",
		Why: "Nothing refuses it; the cluster's OpenAPI document fails for everybody once kube-apiserver restarts, " +
			"long after anybody would look for the reason there.",
		Source: "kubernetes#129499, #122668; kyverno#17216; Calico's migration guide says that it is safe",
		Flag:   Undocumented, Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "the first serves; after a restart of kube-apiserver /openapi/v2 200; with the other out of the way 200",
			Aggregated: "the first serves; after a restart of kube-apiserver /openapi/v2 503 without a Status object; " +
				"with the other out of the way 200",
		},
		Probe: bothForms,
	},
	{
		ID: "G15", Group: Failures, Title: "Deleting the namespace that the form's own server runs in",
		Why:    "It is how people uninstall, and the namespace then waits for the server that it has just ended.",
		Source: "openshift/cluster-openshift-apiserver-operator#105; kubevirt#1491", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "gone; gone once the API is no longer registered",
			Aggregated: "Terminating, NamespaceDeletionDiscoveryFailure: DiscoveryFailed; " +
				"gone once the API is no longer registered",
		},
		Probe: ownNamespace,
	},
}

// other is the form that the subject's site does not have.
func (s *Subject) other() (install.Implementation, error) {
	for _, form := range s.Site.Installer.Forms {
		if form.Name() != s.Site.Form.Name() {
			return form, nil
		}
	}
	return nil, errors.New("could not find another form than the one that is installed")
}

// applyByHand does what a user with kubectl would: it brings up what is in a plan, asks nobody, and waits for definitions
// to be established. A kube-apiserver that dies before that would leave them as they are for minutes.
func (b *backend) applyByHand(ctx context.Context, plan *install.Plan) error {
	if err := b.applyAll(ctx, plan.Prerequisites); err != nil {
		return err
	}
	for _, object := range plan.Prerequisites {
		if object.GetKind() != "ServiceAccount" {
			continue
		}
		if _, err := b.subject.Site.Installer.Env.ServiceAccountKubeconfig(ctx, object.GetName()); err != nil {
			return err
		}
	}
	for _, spec := range plan.Processes {
		if err := b.runner().Run(ctx, spec); err != nil {
			return err
		}
	}
	if server, ok := plan.Server(); ok {
		at, err := addressOf(b.subject.Site, plan, server)
		if err != nil {
			return err
		}
		if err := awaitReady(ctx, server.Name, at); err != nil {
			return err
		}
	}
	if err := b.applyAll(ctx, plan.Objects); err != nil {
		return err
	}
	for _, definition := range definitions(plan) {
		if err := b.subject.established(ctx, definition); err != nil {
			return err
		}
	}
	return nil
}

func (b *backend) applyAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		_, err := b.resource(object).Apply(ctx, object.GetName(), object,
			metav1.ApplyOptions{FieldManager: "by-hand", Force: true})
		if err != nil {
			return fmt.Errorf("could not apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

func (b *backend) deleteAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		err := b.resource(object).Delete(ctx, object.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("could not delete %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// abandoned is a backend on a control plane that is gone after the row: nothing is put back there.
func (s *Subject) abandoned(ctx context.Context) (*backend, error) {
	dir, err := os.MkdirTemp("", "duet-row-")
	if err != nil {
		return nil, fmt.Errorf("could not make a directory for another control plane: %w", err)
	}
	s.afterwards(func(context.Context) error { return os.RemoveAll(dir) })
	site, err := s.Site.another(ctx, dir, s.Profile, controlplane.Options{}, nil)
	if site != nil {
		s.afterwards(site.Discard)
	}
	if err != nil {
		return nil, err
	}
	there, err := s.on(ctx, site)
	if err != nil {
		return nil, err
	}
	server, err := there.backend(ctx)
	there.cleanups = nil
	return server, err
}

func bothForms(ctx context.Context, s *Subject) (Observation, error) {
	server, err := s.abandoned(ctx)
	if err != nil {
		return Observation{}, err
	}
	there := server.subject
	if _, err := there.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	other, err := there.other()
	if err != nil {
		return Observation{}, err
	}
	plan, err := other.Plan(ctx, there.Site.Installer.Env, other.Profiles()[0])
	if err != nil {
		return Observation{}, fmt.Errorf("could not read the other form's plan: %w", err)
	}
	if err := server.applyByHand(ctx, plan); err != nil {
		return Observation{}, err
	}
	failures, err := there.openAPIFailures(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.crash(ctx, controlplane.APIServer); err != nil {
		return Observation{}, err
	}
	if err := there.Site.settle(ctx); err != nil {
		return Observation{}, err
	}
	serves, err := there.whoServes(ctx)
	if err != nil {
		return Observation{}, err
	}
	broken, err := there.openAPIAfterRestart(ctx, failures)
	if err != nil {
		return Observation{}, err
	}
	parked := other.Park(plan)
	if len(parked) == 0 {
		err = server.deleteAll(ctx, plan.Objects)
	} else {
		err = server.applyAll(ctx, parked)
	}
	if err != nil {
		return Observation{}, err
	}
	err = eventually(ctx, "the cluster's OpenAPI document", func(ctx context.Context) (bool, error) {
		answer, err := there.get(ctx, "/openapi/v2")
		return err == nil && answer.OK() && strings.Contains(string(answer.Body), fixture.Resource), err
	})
	if err != nil {
		return Observation{}, err
	}
	return observed("%s serves; after a restart of kube-apiserver /openapi/v2 %s; with the other out of the way 200",
		choose(serves == there.Form, "the first", "the other"), broken.Verdict())
}

// whoServes the group, as the cluster says.
func (s *Subject) whoServes(ctx context.Context) (string, error) {
	c, err := client.New(s.Config, client.Options{})
	if err != nil {
		return "", fmt.Errorf("could not make a client: %w", err)
	}
	detected, err := install.Detect(ctx, c)
	return detected.Form, err
}

// openAPIPatience is how long the parts of the cluster's document may take to come together once each has been looked at.
// They take a few seconds.
const openAPIPatience = 15 * time.Second

// openAPIFailures is how often kube-apiserver could not read a document of a server, since it was first started. The
// controllers of both versions of the document say so in the same words.
func (s *Subject) openAPIFailures(ctx context.Context) (int, error) {
	return s.Site.logged(ctx, controlplane.APIServer, "loading OpenAPI spec for")
}

// openAPIAfterRestart is the cluster's document, for who asks first after all of its parts have come together. Whoever
// asks before has kube-apiserver keep a good copy, and hides what does not fit until the next restart. A part that could
// not be read, of which failures happened before the restart, is tried again after a minute.
func (s *Subject) openAPIAfterRestart(ctx context.Context, failures int) (*wire.Answer, error) {
	servers, err := s.servers(ctx)
	if err != nil {
		return nil, err
	}
	// How many definitions and registrations each of its controllers has to look at.
	parts := map[string]int{"crd_openapi_controller": 1}
	const registrations = "open_api_aggregation_controller"
	if len(servers) > 1 {
		parts[registrations] = len(s.Site.Form.Versions(s.Profile))
	}
	err = eventually(ctx, "the parts of the cluster's OpenAPI document", func(ctx context.Context) (bool, error) {
		failed, err := s.openAPIFailures(ctx)
		if err != nil {
			return false, err
		}
		seen, err := s.scrape(ctx, servers[0])
		if err != nil {
			return false, err
		}
		for controller, least := range parts {
			looked, _ := seen.Sum("workqueue_work_duration_seconds", labels{"name": controller})
			if controller == registrations {
				looked -= float64(failed - failures)
			}
			if looked < float64(least) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(openAPIPatience):
		return s.get(ctx, "/openapi/v2")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func ownNamespace(ctx context.Context, s *Subject) (Observation, error) {
	server, err := s.abandoned(ctx)
	if err != nil {
		return Observation{}, err
	}
	there := server.subject
	cluster, err := there.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	// What ends the pods of a cluster has to be done by hand to processes.
	if err := server.kill(ctx); err != nil {
		return Observation{}, err
	}
	if err := cluster.CoreV1().Namespaces().Delete(ctx, install.Namespace, metav1.DeleteOptions{}); err != nil {
		return Observation{}, fmt.Errorf("could not delete %s: %w", install.Namespace, err)
	}
	fate, err := namespaceFate(ctx, cluster, install.Namespace)
	if err != nil {
		return Observation{}, err
	}
	if err := server.deleteAll(ctx, server.plan.Objects); err != nil {
		return Observation{}, err
	}
	if err := removeNamespace(ctx, cluster, install.Namespace); err != nil {
		return Observation{}, err
	}
	return observed("%s; gone once the API is no longer registered", fate)
}
