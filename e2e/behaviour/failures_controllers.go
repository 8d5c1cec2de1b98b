package behaviour

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
)

// bystanderRows are about the control plane's own controllers, which see every kind of the cluster.
var bystanderRows = []Row{
	{
		ID: "G2", Group: Failures, Title: "Deleting an unrelated namespace while the form's own server is down",
		Why:    "One failing extension keeps every namespace of the cluster from going away.",
		Source: "kubernetes#60807, #75788, #83332, #119662; kueue#1769, #3943", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "gone; gone once it is back",
			Aggregated: "Terminating, NamespaceDeletionDiscoveryFailure: DiscoveryFailed; gone once it is back",
		},
		Probe: unrelatedNamespace,
	},
	{
		ID: "G3", Group: Failures, Title: "Garbage collection while the form's own server is down",
		Why: "A collector that takes an owner which cannot be asked for one that is gone deletes a running database, " +
			"and one that has just started has nothing else to go by.",
		Source: "kubernetes pkg/controller/garbagecollector/garbagecollector.go: isDangling", Flag: Parity,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Both("a child of an unrelated owner is collected, also by a collector that started during the outage; " +
			"afterwards 2 of 2 children of the instance are there"),
		Probe: collectionDuringOutage,
	},
	{
		ID: "G4", Group: Failures, Title: "Quota of other kinds while the form's own server answers discovery only",
		Why: "One list that never ends keeps a quota controller that was restarted from starting its work, " +
			"and with it every quota of the cluster.",
		Source: "kubernetes#140890; pkg/quota/v1 and controller/resourcequota/resource_quota_monitor.go: IsSynced",
		Flag:   Undocumented, Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "a quota of ConfigMaps is counted, and counted once the server answers again",
			Aggregated: "a quota of ConfigMaps is not counted, and counted once the server answers again",
		},
		Probe: frozenQuota,
	},
}

func unrelatedNamespace(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	name, err := makeNamespace(ctx, client, "unrelated")
	if err != nil {
		return Observation{}, err
	}
	if err := server.kill(ctx); err != nil {
		return Observation{}, err
	}
	err = client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not delete the namespace: %w", err)
	}
	during, err := namespaceFate(ctx, client, name)
	if err != nil {
		return Observation{}, err
	}
	if err := server.restore(ctx); err != nil {
		return Observation{}, err
	}
	if err := removeNamespace(ctx, client, name); err != nil {
		return Observation{}, err
	}
	return observed("%s; gone once it is back", during)
}

// namespaceFate waits until a namespace that is being deleted is gone, or says why it is not.
func namespaceFate(ctx context.Context, client kubernetes.Interface, name string) (string, error) {
	fate := ""
	err := eventually(ctx, "what becomes of the namespace", func(ctx context.Context) (bool, error) {
		namespace, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			fate = "gone"
			return true, nil
		}
		if err != nil {
			return false, err
		}
		known := obstacles(namespace)
		if len(known) > 0 {
			fate = fmt.Sprintf("%s, %s: %s", namespace.Status.Phase, known[0].Type, known[0].Reason)
		}
		return len(known) > 0, nil
	})
	return fate, err
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func collectionDuringOutage(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	if err := s.family(ctx, client, "db"); err != nil {
		return Observation{}, err
	}
	owner, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.kill(ctx); err != nil {
		return Observation{}, err
	}
	// What a collector has seen before the outage it remembers. A new one has to ask, and cannot.
	if err := server.runner().Restart(ctx, controlplane.ControllerManager); err != nil {
		return Observation{}, err
	}
	if err := s.child(ctx, client, "late", *metav1.NewControllerRef(owner, owner.GroupVersionKind())); err != nil {
		return Observation{}, err
	}
	if err := s.unrelatedFamily(ctx, client, "during"); err != nil {
		return Observation{}, err
	}
	if err := server.restore(ctx); err != nil {
		return Observation{}, err
	}
	// Once this one is collected as well, so is whatever the collector was not sure about before.
	if err := s.unrelatedFamily(ctx, client, "after"); err != nil {
		return Observation{}, err
	}
	kept := 0
	for _, name := range []string{"db", "late"} {
		_, err := client.CoreV1().ConfigMaps(s.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case err == nil:
			kept++
		case !apierrors.IsNotFound(err):
			return Observation{}, fmt.Errorf("could not read the child %s: %w", name, err)
		}
	}
	return observed("a child of an unrelated owner is collected, also by a collector that started during the outage; "+
		"afterwards %d of 2 children of the instance are there", kept)
}

// child creates a ConfigMap with an owner.
func (s *Subject) child(ctx context.Context, client kubernetes.Interface, name string,
	owner metav1.OwnerReference) error {
	_, err := client.CoreV1().ConfigMaps(s.Namespace).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: []metav1.OwnerReference{owner}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not create the child %s: %w", name, err)
	}
	return nil
}

// unrelatedFamily has a ConfigMap own another, deletes the owner, and returns when the collector has taken the child.
func (s *Subject) unrelatedFamily(ctx context.Context, client kubernetes.Interface, name string) error {
	maps := client.CoreV1().ConfigMaps(s.Namespace)
	owner, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not create an owner: %w", err)
	}
	reference := metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if err := s.child(ctx, client, name+"-child", *reference); err != nil {
		return err
	}
	if err := maps.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("could not delete the owner: %w", err)
	}
	return eventually(ctx, "the child of an unrelated owner go", func(ctx context.Context) (bool, error) {
		_, err := maps.Get(ctx, name+"-child", metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
}

// quotaPatience is how long a quota controller that is at work may take to count. It takes a second.
const quotaPatience = 15 * time.Second

func frozenQuota(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	release := make(chan struct{})
	at, err := server.front(certs.Validity, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, fixture.Resource) {
				select {
				case <-release:
				case <-r.Context().Done():
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	})
	if err != nil {
		return Observation{}, err
	}
	if err := server.direct(ctx, at); err != nil {
		return Observation{}, err
	}
	if err := server.runner().Restart(ctx, controlplane.ControllerManager); err != nil {
		return Observation{}, err
	}
	if err := s.controllersAtWork(ctx, client); err != nil {
		return Observation{}, err
	}
	quotas := client.CoreV1().ResourceQuotas(s.Namespace)
	_, err = quotas.Create(ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "unrelated"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceConfigMaps: resource.MustParse("9")}},
	}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create a quota: %w", err)
	}
	counted := func(ctx context.Context) (bool, error) {
		quota, err := quotas.Get(ctx, "unrelated", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		_, ok := quota.Status.Used[corev1.ResourceConfigMaps]
		return ok, nil
	}
	during, err := holdsWithin(ctx, quotaPatience, counted)
	if err != nil {
		return Observation{}, err
	}
	close(release)
	if err := eventually(ctx, "the quota count", counted); err != nil {
		return Observation{}, err
	}
	return observed("a quota of ConfigMaps is %s, and counted once the server answers again",
		choose(during, "counted", "not counted"))
}

// controllersAtWork returns when kube-controller-manager does its work again.
func (s *Subject) controllersAtWork(ctx context.Context, client kubernetes.Interface) error {
	accounts := client.CoreV1().ServiceAccounts(s.Namespace)
	if err := accounts.Delete(ctx, "default", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("could not delete the default service account: %w", err)
	}
	return eventually(ctx, "a new default service account", func(ctx context.Context) (bool, error) {
		_, err := accounts.Get(ctx, "default", metav1.GetOptions{})
		return err == nil, ignoreNotFound(err)
	})
}
