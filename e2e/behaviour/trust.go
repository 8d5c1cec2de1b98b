package behaviour

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

var trustRows = []Row{
	{
		ID: "F11", Group: Security, Title: "A caBundle that is not the server's",
		Why:    "Rather than find the mistake, many projects switch verification off.",
		Source: "kueue#12482; https://kubernetes.io/docs/tasks/extend-kubernetes/setup-extension-api-server/",
		Flag:   Documented, Labels: []string{Slow, Disruptive}, Site: true,
		Needs: []install.Capability{install.OwnServer},
		Expect: Expectation{
			CRD: "get 200, create 500 InternalError; " + untold,
			Aggregated: "get 503 without a Status object, create 503 without a Status object; " +
				"v1 Available=False FailedDiscoveryCheck, v1alpha1 Available=False FailedDiscoveryCheck",
		},
		Probe: wrongBundle,
	},
	{
		ID: "F12", Group: Security, Title: "Each access rule of the form's server, missing",
		Why:    "The symptom is far from the cause: what a server says that lacks a binding rarely names it.",
		Source: "configure-aggregation-layer; apiserver pkg/server/options", Flag: Documented,
		Labels: []string{Slow, Disruptive}, Site: true, Needs: []install.Capability{install.OwnServer},
		Expect: Expectation{
			CRD: "without duet-crd-webhook: ready, get 200, create with a Secret 500",
			Aggregated: "without duet-apiserver: never ready, get 200, create with a Secret 403; " +
				"without duet-apiserver:auth-delegator: ready, get 500, create with a Secret 500; " +
				"without duet-apiserver:authentication-reader: does not start, get 503, create with a Secret 503",
		},
		Probe: missingBindings,
	},
	{
		ID: "F16", Group: Security, Title: "Who can read the cluster's Secrets in etcd",
		Why: "A server that stores in the cluster's etcd has credentials for all of it; whoever takes the server over has " +
			"the cluster.",
		Source: "etcd has no rights below its users in a Kubernetes cluster; the credentials that the processes are given",
		Flag:   Undocumented, Site: true,
		Expect: Expectation{
			CRD: "kube-apiserver", Aggregated: "kube-apiserver, duet-apiserver",
			Profiles: map[string]string{"dedicated-etcd": "kube-apiserver"},
		},
		Probe: secretsInEtcd,
	},
}

func wrongBundle(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	if _, err := there.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	b, err := there.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	stranger, err := certs.NewCA("duet-row")
	if err != nil {
		return Observation{}, err
	}
	if err := b.direct(ctx, address{port: b.at.port, bundle: stranger.Bundle()}); err != nil {
		return Observation{}, err
	}
	conditions, err := b.await(ctx, metav1.ConditionFalse)
	if err != nil {
		return Observation{}, err
	}
	// What is told of the new bundle is used from the next connection on.
	err = eventually(ctx, "the bundle in use", func(ctx context.Context) (bool, error) {
		answer, err := there.post(ctx, there.path(), fixture.Instance("other"), wire.Query("dryRun", metav1.DryRunAll))
		return err == nil && !answer.OK(), err
	})
	if err != nil {
		return Observation{}, err
	}
	seen, err := answers(ctx, there.client, []try{
		{title: "get", method: "GET", path: there.path("db")},
		{title: "create", method: "POST", path: there.path(), body: fixture.Instance("other")},
	})
	return Observation{Summary: seen + "; " + conditions}, err
}

func missingBindings(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	if _, err := there.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	client, err := there.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	_, err = client.CoreV1().Secrets(there.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "root"}, StringData: map[string]string{"password": "secret"},
	}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create a Secret: %w", err)
	}
	b, err := there.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	var seen []string
	for _, object := range b.plan.Prerequisites {
		if !strings.HasSuffix(object.GetKind(), "RoleBinding") {
			continue
		}
		symptom, err := b.without(ctx, object)
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, fmt.Sprintf("without %s: %s", object.GetName(), symptom))
	}
	return observed("%s", strings.Join(seen, "; "))
}

// without restarts the server while an object is missing, says what users see, and puts it back.
func (b *backend) without(ctx context.Context, object *unstructured.Unstructured) (string, error) {
	if err := b.resource(object).Delete(ctx, object.GetName(), metav1.DeleteOptions{}); err != nil {
		return "", fmt.Errorf("could not delete %s: %w", object.GetName(), err)
	}
	putBack := func(ctx context.Context) error {
		_, err := b.resource(object).Create(ctx, object.DeepCopy(), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	}
	b.subject.afterwards(putBack)
	if err := b.runner().Restart(ctx, b.name); err != nil {
		return "", err
	}
	symptom, err := b.symptom(ctx)
	if err != nil {
		return "", err
	}
	if err := putBack(ctx); err != nil {
		return "", fmt.Errorf("could not put %s back: %w", object.GetName(), err)
	}
	if err := b.runner().Restart(ctx, b.name); err != nil {
		return "", err
	}
	return symptom, b.restore(ctx)
}

// lookedAgain is how long kube-apiserver may take to see that a server is back.
const lookedAgain = 40 * time.Second

// symptom of a server that has just been started.
func (b *backend) symptom(ctx context.Context) (string, error) {
	state := "never ready"
	_, err := holdsWithin(ctx, readyPatience, func(ctx context.Context) (bool, error) {
		status, err := process.Find(ctx, b.runner(), b.name)
		if err != nil {
			return false, err
		}
		if status.State == process.Exited {
			state = "does not start"
			return true, nil
		}
		if answer, err := b.ask(ctx, "/readyz"); err == nil && answer.OK() {
			state = "ready"
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return "", err
	}
	if state != "does not start" {
		// kube-apiserver may have looked while the server was away.
		if err := b.touch(ctx); err != nil {
			return "", err
		}
		_, err := holdsWithin(ctx, lookedAgain, func(ctx context.Context) (bool, error) { return !b.refused(ctx), nil })
		if err != nil {
			return "", err
		}
	}
	read, err := b.subject.get(ctx, b.subject.path("db"))
	if err != nil {
		return "", err
	}
	created, err := b.subject.post(ctx, b.subject.path(), fixture.Instance("other",
		fixture.With("spec.credentials.rootSecretRef.name", "root")), wire.Query("dryRun", metav1.DryRunAll))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, get %d, create with a Secret %d", state, read.Code, created.Code), nil
}

func secretsInEtcd(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	_, err = client.CoreV1().Secrets(s.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "precious"}, StringData: map[string]string{"password": "do-not-read"},
	}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create a Secret: %w", err)
	}
	cluster := s.Site.Plane.Etcd()
	statuses, err := s.Site.Plane.Runner().List(ctx)
	if err != nil {
		return Observation{}, err
	}
	var readers []string
	for _, status := range statuses {
		certFile := status.Spec.Flag("etcd-certfile")
		if certFile == "" || slices.Contains(readers, status.Spec.Name) {
			continue
		}
		etcd, err := dialEtcd(cluster.URL, cluster.CAFile, certFile, status.Spec.Flag("etcd-keyfile"))
		if err != nil {
			return Observation{}, err
		}
		defer etcd.Close()
		trying, cancel := context.WithTimeout(ctx, etcdPatience)
		defer cancel()
		answer, err := etcd.Get(trying, cluster.Prefix+"/secrets/"+s.Namespace+"/precious", clientv3.WithLimit(1))
		if err == nil && len(answer.Kvs) == 1 && strings.Contains(string(answer.Kvs[0].Value), "do-not-read") {
			readers = append(readers, status.Spec.Name)
		}
		s.recorder.Note(certFile, fmt.Sprintf("reading the Secret with the credentials of %s: %v", status.Spec.Name, err))
	}
	return observed("%s", strings.Join(readers, ", "))
}
