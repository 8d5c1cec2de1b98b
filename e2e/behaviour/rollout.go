package behaviour

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// rolloutRows are about what users notice when the API itself is changed. What a change is follows from the form's plan:
// a CustomResourceDefinition is written anew, an APIService comes and goes, a server is restarted.
var rolloutRows = []Row{
	{
		ID: "C7", Group: Versioning, Title: "Rolling out a change of a description",
		Why:    "Every watch of the kind is cut, and every cache filled again, for a change that matters to nobody.",
		Source: "kubernetes#78029, #113966, #123074; apiextensions-apiserver customresource_handler.go", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "an open watch is cut, reads meanwhile are all answered",
			Aggregated: "an open watch is cut, reads meanwhile are refused for a while",
		},
		Probe: rollOut,
	},
	{
		ID: "C8", Group: Versioning, Title: "Serving a version no more, and again",
		Why:    "It is how an old version is tried to be taken away, and it has to be possible to change one's mind.",
		Source: "custom-resource-definition-versioning; an aggregated API takes its APIService away", Flag: Parity,
		Labels: failing, Needs: []install.Capability{install.OwnServer, install.MultipleVersions}, Site: true,
		Expect: Both("v1alpha1 404 without a Status object, v1 200, discovery lists v1; " +
			"served again: discovery lists v1, v1alpha1, readReplicas 2"),
		Probe: unserve,
	},
}

// definitions are the CustomResourceDefinitions in a plan.
func definitions(plan *install.Plan) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, object := range plan.Objects {
		if object.GetKind() == "CustomResourceDefinition" {
			found = append(found, object)
		}
	}
	return found
}

// eachVersion changes the versions of a CustomResourceDefinition, now and back when the row is over.
func (b *backend) eachVersion(ctx context.Context, definition *unstructured.Unstructured,
	change func(version map[string]any)) error {
	original, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if err != nil {
		return fmt.Errorf("could not read the versions of %s: %w", definition.GetName(), err)
	}
	set := func(ctx context.Context, versions []any) error {
		return b.edit(ctx, definition, func(current *unstructured.Unstructured) error {
			return unstructured.SetNestedSlice(current.Object, versions, "spec", "versions")
		})
	}
	b.subject.afterwards(func(ctx context.Context) error { return set(ctx, original) })
	changed := definition.DeepCopy()
	versions, _, _ := unstructured.NestedSlice(changed.Object, "spec", "versions")
	for _, version := range versions {
		change(version.(map[string]any))
	}
	return set(ctx, versions)
}

func rollOut(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	stream, err := s.client.Watch(ctx, s.path())
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for {
			if _, err := stream.Next(); err != nil {
				return
			}
		}
	}()
	var failed error
	released := make(chan struct{})
	go func() {
		defer close(released)
		failed = server.release(ctx)
	}()

	refused := 0
	watch := "goes on"
	err = eventually(ctx, "the change rolled out", func(ctx context.Context) (bool, error) {
		answer, err := s.get(ctx, s.path("db"))
		if err != nil {
			return false, err
		}
		if !answer.OK() {
			refused++
		}
		select {
		case <-released:
			return answer.OK(), failed
		default:
			return false, nil
		}
	})
	if err != nil {
		<-released // what it changes is put back by what it has registered
		return Observation{}, err
	}
	select {
	case <-cut:
		watch = "is cut"
	default:
	}
	return observed("an open watch %s, reads meanwhile are %s", watch,
		choose(refused == 0, "all answered", "refused for a while"))
}

// release puts a change of a description into place as the form's author would, and returns when it is.
func (b *backend) release(ctx context.Context) error {
	for _, definition := range definitions(b.plan) {
		err := b.eachVersion(ctx, definition, func(version map[string]any) {
			_ = unstructured.SetNestedField(version, "Described anew.", "schema", "openAPIV3Schema", "description")
		})
		if err != nil {
			return err
		}
		err = eventually(ctx, "the new description", func(ctx context.Context) (bool, error) {
			answer, err := b.subject.get(ctx, "/openapi/v3/apis/"+fixture.Group+"/"+fixture.V1)
			return err == nil && strings.Contains(string(answer.Body), "Described anew."), err
		})
		if err != nil {
			return err
		}
	}
	if err := b.runner().Restart(ctx, b.name); err != nil {
		return err
	}
	return b.restore(ctx)
}

func unserve(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.replicas", 3))); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.withdraw(ctx, fixture.V1alpha1); err != nil {
		return Observation{}, err
	}
	var old *wire.Answer
	err = eventually(ctx, "the version gone", func(ctx context.Context) (bool, error) {
		old, err = s.get(ctx, s.alpha("db"))
		return err == nil && !old.OK() && s.listed(ctx) == fixture.V1, err
	})
	if err != nil {
		return Observation{}, err
	}
	current, err := s.get(ctx, s.path("db"))
	if err != nil {
		return Observation{}, err
	}
	during := s.listed(ctx)
	if err := s.cleanUp(ctx); err != nil {
		return Observation{}, err
	}
	var again *unstructured.Unstructured
	err = eventually(ctx, "the version back", func(ctx context.Context) (bool, error) {
		answer, err := s.get(ctx, s.alpha("db"))
		if err != nil || !answer.OK() || s.listed(ctx) == fixture.V1 {
			return false, err
		}
		again, err = answer.Object()
		return err == nil, err
	})
	if err != nil {
		return Observation{}, err
	}
	return observed("v1alpha1 %s, v1 %s, discovery lists %s; served again: discovery lists %s, readReplicas %s",
		old.Verdict(), current.Verdict(), during, s.listed(ctx), show(again, "spec", "readReplicas"))
}

// listed are the versions of the group in discovery, or why there are none.
func (s *Subject) listed(ctx context.Context) string {
	group, err := stored(s.get(ctx, "/apis/"+fixture.Group))
	if err != nil {
		return err.Error()
	}
	var names []string
	versions, _, _ := unstructured.NestedSlice(group.Object, "versions")
	for _, version := range versions {
		names = append(names, fmt.Sprint(nested(version, "version")))
	}
	return strings.Join(names, ", ")
}

// withdraw serves a version no more, until the row is cleaned up.
func (b *backend) withdraw(ctx context.Context, version string) error {
	for _, definition := range definitions(b.plan) {
		err := b.eachVersion(ctx, definition, func(one map[string]any) {
			if one["name"] == version {
				one["served"] = false
			}
		})
		if err != nil {
			return err
		}
	}
	for _, object := range b.plan.Objects {
		if object.GetKind() != "APIService" || nested(object.Object, "spec", "version") != version {
			continue
		}
		if err := b.resource(object).Delete(ctx, object.GetName(), metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("could not take %s away: %w", object.GetName(), err)
		}
		b.subject.afterwards(func(ctx context.Context) error {
			_, err := b.resource(object).Create(ctx, object, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return nil
			}
			return err
		})
	}
	return nil
}
