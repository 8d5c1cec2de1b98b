package behaviour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/controlplane"
)

// dependenceRows are about what the form's server needs of kube-apiserver.
var dependenceRows = []Row{
	{
		ID: "G10", Group: Failures, Title: "The form's own server cannot reach kube-apiserver",
		Why:    "A server that has to ask who may do what can do nothing for anybody when it cannot ask.",
		Source: "apiserver pkg/server/options/authorization.go: five tries from 500 ms on, then an error",
		Flag:   Undocumented, Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "read, list: 200; create: 201; create with a Secret: 500 InternalError",
			Aggregated: "read, list, create, create with a Secret: 500 without a Status object",
		},
		Probe: cutOff,
	},
	{
		ID: "G11", Group: Failures, Title: "The form's own server may not list admission policies",
		Why: "A right that somebody forgot, or a kind that an older cluster does not have, keeps a server from ever " +
			"getting ready.",
		Source: "apiserver pkg/server/config.go: NewInformerSyncHealthz; jupyter-k8s#435", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "after a restart ready; read: 200; create: 201",
			Aggregated: "after a restart not ready for want of informer-sync; read: 200; create: 403 Forbidden",
		},
		Probe: withoutPolicies,
	},
	{
		ID: "G20", Group: Failures, Title: "Restarts of the form's own server and of kube-apiserver, with a watch open",
		Why:    "Each server that an upgrade restarts is one more time that every controller has to begin again.",
		Source: "api-concepts, Efficient detection of changes", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "restart of the form's own server: the watch goes on; restart of kube-apiserver: the watch ends",
			Aggregated: "restart of the form's own server: the watch ends; restart of kube-apiserver: the watch ends",
		},
		Probe: restarts,
	},
}

// gate passes connections on to a server until it is shut.
type gate struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	open     []net.Conn
}

func openGate(target string) (*gate, error) {
	listener, err := net.Listen("tcp", loopback(0))
	if err != nil {
		return nil, fmt.Errorf("could not listen: %w", err)
	}
	g := &gate{listener: listener, target: target}
	go g.pass()
	return g, nil
}

func (g *gate) pass() {
	for {
		near, err := g.listener.Accept()
		if err != nil {
			return // it was shut
		}
		far, err := net.Dial("tcp", g.target)
		if err != nil {
			near.Close()
			continue
		}
		g.mu.Lock()
		g.open = append(g.open, near, far)
		g.mu.Unlock()
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			go func() {
				_, _ = io.Copy(pair[0], pair[1])
				pair[0].Close()
			}()
		}
	}
}

// shut ends every connection and takes no more.
func (g *gate) shut() {
	g.listener.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, connection := range g.open {
		connection.Close()
	}
}

// through has the server reach kube-apiserver through a gate from now on.
func (b *backend) through(ctx context.Context, g *gate) error {
	env := b.subject.Site.Installer.Env
	file := env.KubeconfigFile(b.name)
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		return fmt.Errorf("could not read the server's kubeconfig: %w", err)
	}
	for _, cluster := range config.Clusters {
		cluster.Server = "https://" + g.listener.Addr().String()
	}
	original, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("could not read the server's kubeconfig: %w", err)
	}
	b.undo = append(b.undo, func(context.Context) error { return os.WriteFile(file, original, 0o600) })
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("could not write the server's kubeconfig: %w", err)
	}
	if err := b.runner().Restart(ctx, b.name); err != nil {
		return err
	}
	return b.awaitServing(ctx)
}

func cutOff(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	target, err := url.Parse(s.Site.Plane.URL())
	if err != nil {
		return Observation{}, err
	}
	gate, err := openGate(target.Host)
	if err != nil {
		return Observation{}, err
	}
	defer gate.shut()
	if err := server.through(ctx, gate); err != nil {
		return Observation{}, err
	}
	gate.shut()
	tries := []try{
		{title: "read", method: "GET", path: s.path("db")},
		{title: "list", method: "GET", path: s.path()},
		{title: "create", method: "POST", path: s.path(), body: fixture.Instance("other")},
		{title: "create with a Secret", method: "POST", path: s.path(), body: fixture.Instance("with-secret",
			fixture.With("spec.credentials.rootSecretRef.name", "root"))},
	}
	seen, err := s.answersByVerdict(ctx, tries)
	return Observation{Summary: seen}, err
}

// policyResources are the newest kinds that a server of this Kubernetes version wants to know all about.
var policyResources = sets.New("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")

// forbid takes rights on resources away from the server, and starts it again.
func (b *backend) forbid(ctx context.Context, resources sets.Set[string]) error {
	for _, object := range b.plan.Prerequisites {
		if object.GetKind() != "ClusterRole" || object.GroupVersionKind().Group != rbacv1.GroupName {
			continue
		}
		b.undo = append(b.undo, func(ctx context.Context) error {
			return b.edit(ctx, object, func(current *unstructured.Unstructured) error {
				current.Object["rules"] = object.DeepCopy().Object["rules"]
				return nil
			})
		})
		err := b.edit(ctx, object, func(current *unstructured.Unstructured) error {
			rules, _, err := unstructured.NestedSlice(current.Object, "rules")
			if err != nil {
				return err
			}
			for _, rule := range rules {
				rule := rule.(map[string]any)
				names, _, err := unstructured.NestedStringSlice(rule, "resources")
				if err != nil {
					return err
				}
				var kept []any
				for _, name := range names {
					if !resources.Has(name) {
						kept = append(kept, name)
					}
				}
				rule["resources"] = kept
			}
			current.Object["rules"] = rules
			return nil
		})
		if err != nil {
			return err
		}
	}
	return b.runner().Restart(ctx, b.name)
}

func withoutPolicies(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.forbid(ctx, policyResources); err != nil {
		return Observation{}, err
	}
	var last *wire.Answer
	isReady, err := holdsWithin(ctx, readyPatience, func(ctx context.Context) (bool, error) {
		answer, err := server.ask(ctx, "/readyz")
		if err == nil {
			last = answer
		}
		return err == nil && answer.OK(), nil
	})
	if err != nil {
		return Observation{}, err
	}
	if last == nil {
		return Observation{}, errors.New("the server did not answer after its restart")
	}
	var failing []string
	for line := range strings.Lines(string(last.Body)) {
		if name, failed := strings.CutPrefix(line, "[-]"); failed {
			name, _, _ = strings.Cut(name, " ")
			failing = append(failing, name)
		}
	}
	ready := "ready"
	if !isReady {
		ready = "not ready for want of " + strings.Join(failing, ", ")
	}
	seen, err := s.answersByVerdict(ctx, []try{
		{title: "read", method: "GET", path: s.path("db")},
		{title: "create", method: "POST", path: s.path(), body: fixture.Instance("other")},
	})
	return Observation{Summary: "after a restart " + ready + "; " + seen}, err
}

func restarts(ctx context.Context, s *Subject) (Observation, error) {
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	var fates []string
	for _, step := range []struct{ what, name, object string }{
		{"the form's own server", server.name, "one"}, {"kube-apiserver", controlplane.APIServer, "two"},
	} {
		fate, err := s.watchThrough(ctx, step.object, func() error {
			if err := server.crash(ctx, step.name); err != nil {
				return err
			}
			return server.restore(ctx)
		})
		if err != nil {
			return Observation{}, err
		}
		fates = append(fates, fmt.Sprintf("restart of %s: %s", step.what, fate))
	}
	return observed("%s", strings.Join(fates, "; "))
}

// watchThrough keeps a watch open while something happens, and creates an object after that.
func (s *Subject) watchThrough(ctx context.Context, name string, happen func() error) (string, error) {
	list, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return "", err
	}
	stream, err := s.client.Watch(ctx, s.path(), wire.Query("resourceVersion", list.GetResourceVersion()))
	if err != nil {
		return "", err
	}
	defer stream.Close()
	if err := happen(); err != nil {
		return "", err
	}
	if _, err := s.create(ctx, fixture.Instance(name)); err != nil {
		return "", err
	}
	_, err = stream.Until(func(event wire.Event) bool { return event.Object.GetName() == name })
	return choose(err == nil, "the watch goes on", "the watch ends"), nil
}
