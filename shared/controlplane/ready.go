package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	rbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/duet-api/duet/shared/process"
)

const (
	// readyTimeout is far more than a loaded machine needs (seconds), and far less than a person's patience.
	readyTimeout = 2 * time.Minute
	readyEvery   = 100 * time.Millisecond
	probeTimeout = 5 * time.Second
	// logLines of a component that failed go into the error.
	logLines = 8
)

// exitedError says that a component ended while it was awaited.
type exitedError struct {
	name string
	code int
	log  string
	tail []string
}

func (e *exitedError) Error() string {
	return fmt.Sprintf("%s exited with code %d; the end of %s:\n  %s", e.name, e.code, e.log, strings.Join(e.tail, "\n  "))
}

// lostPort says whether a component ended because another program listens on its port.
func lostPort(err error) bool {
	var exited *exitedError
	return errors.As(err, &exited) && strings.Contains(strings.Join(exited.tail, "\n"), "address already in use")
}

// awaitReady waits until the component says that it is ready, and gives up at once when it has exited.
func (s *starter) awaitReady(ctx context.Context, name string) error {
	config, path, err := s.probe(name)
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("could not make the client that waits for %s: %w", name, err)
	}
	defer client.CloseIdleConnections()
	return s.await(ctx, name, "to be ready", func(ctx context.Context) error { return get(ctx, client, config.Host+path) })
}

// probe is whom to ask for the readiness of a component, and where.
func (s *starter) probe(name string) (*rest.Config, string, error) {
	url := loopbackURL(s.state.Ports[name])
	if name == Etcd {
		etcd := etcdAccess(s.dir, s.state.Ports[Etcd])
		return &rest.Config{Host: url, TLSClientConfig: rest.TLSClientConfig{
			CAFile: etcd.CAFile, CertFile: etcd.CertFile, KeyFile: etcd.KeyFile}}, "/readyz", nil
	}
	config, err := userConfig(s.dir, url, bootstrapUser, mastersGroup)
	if err != nil {
		return nil, "", err
	}
	if isAPIServer(name) {
		return config, "/readyz", nil
	}
	return config, "/healthz", nil
}

func get(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// await calls ask until it returns no error, as long as the component lives.
func (s *starter) await(ctx context.Context, name, what string, ask func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, readyEvery, readyTimeout, true, func(ctx context.Context) (bool, error) {
		status, err := process.Find(ctx, s.runner, name)
		if err != nil {
			return false, err
		}
		if status.State == process.Exited {
			return false, exited(status)
		}
		last = ask(ctx)
		return last == nil, nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("stopped waiting for %s %s: %w", name, what, context.Cause(ctx))
	case wait.Interrupted(err):
		return fmt.Errorf("waited %s for %s %s: %w; see %s", readyTimeout, name, what, last, process.LogFile(s.dir, name))
	}
	return err
}

func exited(status process.Status) error {
	tail, err := process.LogTail(status.LogFile, logLines)
	if err != nil {
		tail = []string{err.Error()}
	}
	return &exitedError{name: status.Spec.Name, code: *status.ExitCode, log: status.LogFile, tail: tail}
}

// bindAdministrators gives AdministratorsGroup all rights through RBAC. Only a member of system:masters can do it the
// first time; its certificate never leaves this function.
func (s *starter) bindAdministrators(ctx context.Context) error {
	config, err := userConfig(s.dir, loopbackURL(s.state.Ports[APIServer]), bootstrapUser, mastersGroup)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("could not make the client that grants the administrators' rights: %w", err)
	}
	binding := rbacv1.ClusterRoleBinding(AdministratorsGroup).
		WithRoleRef(rbacv1.RoleRef().WithAPIGroup("rbac.authorization.k8s.io").WithKind("ClusterRole").WithName("cluster-admin")).
		WithSubjects(rbacv1.Subject().WithAPIGroup("rbac.authorization.k8s.io").WithKind("Group").WithName(AdministratorsGroup))
	_, err = client.RbacV1().ClusterRoleBindings().Apply(ctx, binding, metav1.ApplyOptions{FieldManager: "duet", Force: true})
	if err != nil {
		return fmt.Errorf("could not grant the administrators' rights: %w", err)
	}
	return nil
}

// awaitUsable waits, as the administrator, for what the first user of a control plane relies on and what its servers
// make only after they are ready: the configuration for aggregated servers, and the default service account.
func (s *starter) awaitUsable(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", AdminKubeconfig(s.dir))
	if err != nil {
		return fmt.Errorf("could not read the administrator's kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("could not make the administrator's client: %w", err)
	}
	err = s.await(ctx, APIServer, "to publish its front proxy", func(ctx context.Context) error {
		_, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	err = s.await(ctx, ControllerManager, "to make the default service account", func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil || s.state.Nodes == 0 {
		return err
	}
	return s.await(ctx, Kwok, "to make the nodes ready", func(ctx context.Context) error { return nodesReady(ctx, client) })
}
