package behaviour

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// Subject is one form on one cluster, as the probes see it.
type Subject struct {
	// Form and Profile that serve the group, as shared/install names them.
	Form    string
	Profile string
	// Capabilities of that form and profile.
	Capabilities sets.Set[install.Capability]
	// Config is an administrator's access.
	Config *rest.Config
	// User returns access for a user who has no rights yet. Without it the administrator impersonates the user, which
	// works on any cluster.
	User func(name string, groups ...string) (*rest.Config, error)
	// Site is the control plane under the form, where it is one of Duet's own; nil on any other cluster. Rows that need
	// it say so.
	Site *Site
	// Namespace is where a probe works. Run sets it, to a namespace of the row's own.
	Namespace string

	recorder *wire.Recorder
	client   *wire.Client
	cleanups []func(context.Context) error
}

// within returns the subject as one row sees it: in its own namespace, with its own record.
func (s *Subject) within(namespace string, recorder *wire.Recorder) (*Subject, error) {
	own := *s
	own.Namespace = namespace
	own.cleanups = nil
	own.recorder = recorder
	own.Config = own.recorder.Wrap(s.Config)
	client, err := wire.New(own.Config)
	if err != nil {
		return nil, err
	}
	own.client = client
	return &own, nil
}

// as returns a client of a user who is known but has no rights.
func (s *Subject) as(name string) (*wire.Client, error) {
	config, err := s.user(name)
	if err != nil {
		return nil, err
	}
	return wire.New(config)
}

// user is access for a user who is known but has no rights, other than those of the groups.
func (s *Subject) user(name string, groups ...string) (*rest.Config, error) {
	if s.User == nil {
		config := rest.CopyConfig(s.Config)
		config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
		return config, nil
	}
	config, err := s.User(name, groups...)
	if err != nil {
		return nil, fmt.Errorf("could not get access for user %s: %w", name, err)
	}
	return s.recorder.Wrap(config), nil
}

// kubernetes returns a client of the built-in kinds.
func (s *Subject) kubernetes() (kubernetes.Interface, error) {
	client, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		return nil, fmt.Errorf("could not make a client: %w", err)
	}
	return client, nil
}

// path of the collection in v1, or of what follows in it.
func (s *Subject) path(rest ...string) string { return fixture.Path(fixture.V1, s.Namespace, rest...) }

// alpha is the same path in v1alpha1.
func (s *Subject) alpha(rest ...string) string {
	return fixture.Path(fixture.V1alpha1, s.Namespace, rest...)
}

func (s *Subject) get(ctx context.Context, path string, options ...wire.Option) (*wire.Answer, error) {
	return s.client.Send(ctx, "GET", path, nil, options...)
}

func (s *Subject) post(ctx context.Context, path string, body any, options ...wire.Option) (*wire.Answer, error) {
	return s.client.Send(ctx, "POST", path, body, options...)
}

func (s *Subject) put(ctx context.Context, path string, body any) (*wire.Answer, error) {
	return s.client.Send(ctx, "PUT", path, body)
}

func (s *Subject) patch(ctx context.Context, path string, body any, options ...wire.Option) (*wire.Answer, error) {
	return s.client.Send(ctx, "PATCH", path, body, options...)
}

func (s *Subject) delete(ctx context.Context, path string, body any, options ...wire.Option) (*wire.Answer, error) {
	return s.client.Send(ctx, "DELETE", path, body, options...)
}

// create stores an object in v1. Refusal is an error: it is for what a probe needs, not for what it looks at.
func (s *Subject) create(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	created, err := stored(s.post(ctx, s.path(), object))
	if err == nil && created.GetUID() == "" {
		return nil, fmt.Errorf("could not create %s: the server accepted it, but what it returned was not stored: "+
			"it has no UID", object.GetName())
	}
	return created, err
}

// read gets the instance db, which is what nearly every probe calls its instance, in v1.
func (s *Subject) read(ctx context.Context) (*unstructured.Unstructured, error) {
	object, err := stored(s.get(ctx, s.path("db")))
	if err == nil && object.GetName() != "db" {
		return nil, fmt.Errorf("could not read db: the server returned %q", object.GetName())
	}
	return object, err
}

// stored turns an answer into the object it holds; a refusal is an error.
func stored(answer *wire.Answer, err error) (*unstructured.Unstructured, error) {
	if err != nil {
		return nil, err
	}
	return answer.Object()
}

// afterwards has something undone when the probe is over, whatever it came to. It is for what does not go with the
// namespace by itself: objects of the cluster, and finalizers.
func (s *Subject) afterwards(undo func(context.Context) error) {
	s.cleanups = append(s.cleanups, undo)
}

// cleanUp undoes what the probe left, the last thing first. What is gone already is fine.
func (s *Subject) cleanUp(ctx context.Context) error {
	var errs []error
	for _, undo := range slices.Backward(s.cleanups) {
		if err := undo(ctx); err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("could not clean up: %w", err))
		}
	}
	return errors.Join(errs...)
}

// release takes every finalizer off the instance db, if it is still there.
func (s *Subject) release(ctx context.Context) error {
	answer, err := s.patch(ctx, s.path("db"), `{"metadata":{"finalizers":null}}`, wire.PatchType(types.MergePatchType))
	if err != nil || answer.Code == http.StatusNotFound {
		return err
	}
	_, err = answer.Object()
	return err
}
