package switching

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/shared/install"
)

// front is every kube-apiserver of the control plane. Each learns of a change on its own, and until it has, sends clients
// where they were sent before: a switch goes on when all of them have.
type front []*asker

func (s *Switcher) front() (front, error) {
	var all front
	for _, config := range s.installer.Env.APIServerConfigs() {
		asker, err := newAsker(config)
		if err != nil {
			return nil, err
		}
		all = append(all, asker)
	}
	return all, nil
}

// each asks one after the other, and says which one failed.
func (f front) each(ask func(*asker) error) error {
	return install.AtEach(f, func(a *asker) string { return a.host }, ask)
}

// answered waits until a version is answered by the form that is meant.
func (f front) answered(ctx context.Context, version string, byDefinition bool) error {
	return f.each(func(a *asker) error { return a.answered(ctx, version, byDefinition) })
}

// Paths of what decides where requests are sent.
const (
	registrationsPath = "/apis/apiregistration.k8s.io/v1/apiservices"
	definitionsPath   = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
)

// told is how long those within a kube-apiserver who watch an object may take to act once its cache has a change. The cache
// tells them of changes in the order in which they came.
const told = 50 * time.Millisecond

// seen waits until every kube-apiserver has been told of an object as it is.
func (f front) seen(ctx context.Context, path string, object *unstructured.Unstructured) error {
	err := f.each(func(a *asker) error {
		return until(ctx, "kube-apiserver to see the change", answerInterval, func(ctx context.Context) error {
			return a.seen(ctx, path, object)
		})
	})
	if err != nil {
		return err
	}
	return pause(ctx, told)
}
