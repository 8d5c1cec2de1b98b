package switching

import (
	"context"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/install"
)

// This is what strategy api does more: it makes every object anew through the API of the form that does not serve yet,
// and gives it back what it had. It asks kube-apiserver, and the other form's server beside it, and never etcd.

// importer is who makes objects anew: the only user whose writes the fence lets through. Whoever may impersonate it with
// its group may do anything already.
const importer = "duet-switch"

// importVersion of a CustomResourceDefinition is served while another form still serves the real versions, so that
// objects can be made below its keys: nobody gets a 404, as if the group were taken over first. It sorts behind every
// version of a kind, so no client prefers it.
const importVersion = "import"

// importing is access to a version as the importer has it.
func importing(config *rest.Config, version string) (dynamic.NamespaceableResourceInterface, error) {
	config.Impersonate = rest.ImpersonationConfig{UserName: importer, Groups: []string{"system:masters"}}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return objects.Resource(install.Resource.GroupResource().WithVersion(version)), nil
}

// originals are the objects as clients see them, until the flip those of the old form.
func (m *move) originals() (dynamic.NamespaceableResourceInterface, error) {
	return importing(m.installer.Env.Config(), install.Resource.Version)
}

// copies are the objects of the form that does not serve yet: at its server, or in the version that is for this.
func (m *move) copies() (dynamic.NamespaceableResourceInterface, error) {
	if len(m.to.registrations()) == 0 {
		return importing(m.installer.Env.Config(), importVersion)
	}
	config, err := m.direct(m.to)
	if err != nil {
		return nil, err
	}
	return importing(config, install.Resource.Version)
}

// waiting is a CustomResourceDefinition that is there and not in use: parked, or with the version to import through.
func (m *move) waiting() ([]*unstructured.Unstructured, error) {
	parked := m.to.form.Park(m.to.plan)
	if m.strategy() != API {
		return parked, nil
	}
	for _, definition := range parked {
		if err := addImportVersion(definition); err != nil {
			return nil, err
		}
	}
	return parked, nil
}

// addImportVersion has a definition serve a version that is as the storage version is.
func addImportVersion(definition *unstructured.Unstructured) error {
	versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if err != nil {
		return err
	}
	for _, version := range versions {
		version, ok := version.(map[string]any)
		if !ok || version["name"] != install.Resource.Version {
			continue
		}
		added := (&unstructured.Unstructured{Object: version}).DeepCopy().Object
		added["name"], added["served"], added["storage"] = importVersion, true, false
		return unstructured.SetNestedSlice(definition.Object, append(versions, added), "spec", "versions")
	}
	return fmt.Errorf("CustomResourceDefinition %s has no version %s", definition.GetName(), install.Resource.Version)
}

// importable makes sure that the other form is there beside the one that serves, and takes objects.
func (m *move) importable(ctx context.Context) error {
	copies, err := m.copies()
	if err != nil {
		return err
	}
	if _, err := revision(ctx, copies); err == nil && m.installer.Running(ctx, m.to.plan) == nil {
		return nil // While writes are refused, every second counts.
	}
	return m.bringImportable(ctx)
}

// bringImportable starts the other form beside the one that serves, and returns once it takes objects.
func (m *move) bringImportable(ctx context.Context) error {
	if err := m.beside(ctx); err != nil {
		return err
	}
	copies, err := m.copies()
	if err != nil {
		return err
	}
	return until(ctx, m.to.form.Name()+" to take objects", fenceInterval, func(ctx context.Context) error {
		_, err := revision(ctx, copies)
		return err
	})
}

// revision is the newest resourceVersion that a server has handed out.
func revision(ctx context.Context, objects dynamic.ResourceInterface) (int64, error) {
	page, err := objects.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return 0, fmt.Errorf("could not read the newest resourceVersion: %w", err)
	}
	newest, err := strconv.ParseInt(page.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("resourceVersion %q is not one that can be compared: %w", page.GetResourceVersion(), err)
	}
	return newest, nil
}

// reached is the newest resourceVersion that clients have seen.
func (m *move) reached(ctx context.Context) (int64, error) {
	originals, err := m.originals()
	if err != nil {
		return 0, err
	}
	return revision(ctx, originals)
}

// ahead does what takes time and needs no fence: the other form is started, asked whether it would take every object,
// and made to be newer than anything that the old form has said. A refusal comes before anything is fenced.
func (m *move) ahead(ctx context.Context) error {
	if err := m.bringImportable(ctx); err != nil {
		return err
	}
	if err := m.tryAll(ctx); err != nil {
		return err
	}
	return m.outrun(ctx, m.result.Objects)
}

// tryAll has the other form say, strictly and without doing it, whether it would take every object, and names each that
// it would refuse.
func (m *move) tryAll(ctx context.Context) error {
	originals, _, err := list(ctx, m.installer.Env.Config(), "")
	if err != nil {
		return err
	}
	m.result.Objects = len(originals)
	copies, err := m.copies()
	if err != nil {
		return err
	}
	keys := sortedKeys(originals)
	refusals := make([]string, len(keys))
	if err := m.inParallel(ctx, len(keys), "objects are tried", func(ctx context.Context, i int) error {
		object := originals[keys[i]]
		_, err := copies.Namespace(object.GetNamespace()).Create(ctx, m.anew(object), metav1.CreateOptions{
			DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
		})
		// What an earlier switch left behind has the name, which is looked at after everything else.
		if err != nil && !apierrors.IsAlreadyExists(err) {
			if !refuses(err) {
				return fmt.Errorf("could not try %s: %w", keys[i], err)
			}
			refusals[i] = fmt.Sprintf("%s would be refused by %s: %v", keys[i], m.to.form.Name(), err)
		}
		return nil
	}); err != nil {
		return err
	}
	reasons := sets.New(refusals...).Delete("")
	if reasons.Len() > 0 {
		return &RefusedError{Reasons: sets.List(reasons)}
	}
	m.check("%s would take all %d objects: a strict dry run of each", m.to.form.Name(), len(keys))
	return nil
}

// refuses tells a verdict on an object from a server that cannot give one.
func refuses(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) ||
		apierrors.IsRequestEntityTooLargeError(err) || apierrors.IsConflict(err)
}

// anew is an object as it is made by the other form.
func (m *move) anew(original *unstructured.Unstructured) *unstructured.Unstructured {
	object := successor(original)
	if len(m.to.registrations()) == 0 {
		object.SetAPIVersion(install.Group + "/" + importVersion)
	}
	return object
}
