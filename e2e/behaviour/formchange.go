package behaviour

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/shared/install"
)

// otherForm is one that stores in the same place, and the profile in which it does.
func (s *Site) otherForm() (install.Implementation, string, error) {
	for _, form := range s.forms {
		if form.Name() == s.Form.Name() {
			continue
		}
		for _, profile := range form.Profiles() {
			if form.Storage(profile) == s.Form.Storage(s.Profile) {
				return form, profile, nil
			}
		}
	}
	return nil, "", fmt.Errorf("there is no other form that stores where %s does", s.Form.Name())
}

// change takes the form that is installed away and puts another into its place.
func (s *Site) change(ctx context.Context, form install.Implementation, profile string) error {
	if _, err := s.Installer.Uninstall(ctx, false); err != nil {
		return fmt.Errorf("could not uninstall: %w", err)
	}
	return s.Installer.Install(ctx, form.Name(), profile)
}

// moment is what there is of an instance, and of a child that it owns, while one form serves.
type moment struct {
	keys     []string
	instance *unstructured.Unstructured
	child    *corev1.ConfigMap
}

// formChange is one change to the other form and back. Two rows look at it, since a change costs more than both looks.
type formChange struct{ before, other, again moment }

// formChange on a production annex, done once.
func (s *Subject) formChange(ctx context.Context) (*formChange, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return nil, err
	}
	if done := s.Site.annex.changed; done != nil {
		return done, nil
	}
	client, err := there.kubernetes()
	if err != nil {
		return nil, err
	}
	if err := there.family(ctx, client, "db"); err != nil {
		return nil, err
	}
	form, profile, err := there.Site.otherForm()
	if err != nil {
		return nil, err
	}
	change := &formChange{}
	if change.before, err = there.moment(ctx, client); err != nil {
		return nil, err
	}
	if err := there.Site.change(ctx, form, profile); err != nil {
		return nil, err
	}
	if change.other, err = there.moment(ctx, client); err != nil {
		return nil, err
	}
	if err := there.Site.change(ctx, there.Site.Form, there.Site.Profile); err != nil {
		return nil, err
	}
	if change.again, err = there.moment(ctx, client); err != nil {
		return nil, err
	}
	s.Site.annex.changed = change
	return change, nil
}

// moment of the instance db and its child.
func (s *Subject) moment(ctx context.Context, client kubernetes.Interface) (moment, error) {
	storing, err := s.storing(ctx)
	if err != nil {
		return moment{}, err
	}
	found, err := s.raw(ctx, storing, s.key(storing, ""))
	if err != nil {
		return moment{}, err
	}
	instance, err := s.read(ctx)
	if err != nil {
		return moment{}, err
	}
	child, err := client.CoreV1().ConfigMaps(s.Namespace).Get(ctx, "db", metav1.GetOptions{})
	if err != nil {
		return moment{}, fmt.Errorf("could not read the child: %w", err)
	}
	return moment{keys: slices.Sorted(maps.Keys(found)), instance: instance, child: child}, nil
}
