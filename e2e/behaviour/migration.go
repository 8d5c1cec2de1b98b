package behaviour

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// migrationRows are about the objects when the form changes under them. The last one uses its annex up.
var migrationRows = []Row{
	{
		ID: "H15", Group: Operations, Title: "A backup through the API, and a restore",
		Why:    "Tools that read objects and create them again lose what the server gives: the UID, and the status.",
		Source: "velero.io, How Velero works; api-concepts", Flag: Parity,
		Expect: Both("3 of 3 restored, the spec is the same, the UID another"),
		Probe:  backupThroughAPI,
	},
	{
		ID: "E2", Group: Storage, Title: "The other form on the same etcd",
		Why: "Both forms derive the key from group, plural and name, so that an aggregated server can serve what a " +
			"CustomResourceDefinition has stored, and the other way round, with nothing copied.",
		Source: "apiserver pkg/server/options/etcd.go, SimpleStorageFactory", Flag: Parity,
		Labels: []string{Slow, Disruptive}, Site: true, Needs: changeable,
		Expect: Both("served by the other form: the same key, the same UID, the same spec; and by this one again"),
		Probe:  sameKeys,
	},
	{
		ID: "H14", Group: Operations, Title: "The children of an object, when the form changes",
		Why:    "A copy has another UID, and the garbage collector deletes children whose owner's UID is gone.",
		Source: "https://docs.tigera.io/calico, crd-migration; svc-cat#2634", Flag: Parity,
		Labels: []string{Slow, Disruptive}, Site: true, Needs: changeable,
		Expect: Both("with the other form the child is there and has its owner; and with this one again"),
		Probe:  childrenThroughChange,
	},
	{
		ID: "H5", Group: Operations, Title: "The APIService is deleted while there is a CustomResourceDefinition",
		Why: "kube-apiserver registers the custom resource in its place at once, and serves what is stored below its keys: " +
			"the way back, and a surprise for who deletes it by mistake.",
		Source: "kube-aggregator autoregister_controller.go", Flag: Parity,
		Labels: []string{Slow, Disruptive}, Site: true, Needs: changeable,
		Expect: Both("it is there again, automanaged, and serves the object with its UID"),
		Probe:  registrationTakenOver,
	},
}

// changeable is what a change to the other form and back needs.
var changeable = []install.Capability{install.ClusterStorage, install.MultipleVersions}

func backupThroughAPI(ctx context.Context, s *Subject) (Observation, error) {
	const count = 3
	for i := range count {
		if _, err := s.create(ctx, fixture.Instance(fmt.Sprintf("db-%d", i))); err != nil {
			return Observation{}, err
		}
	}
	backup, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return Observation{}, err
	}
	saved, err := backup.ToList()
	if err != nil {
		return Observation{}, fmt.Errorf("could not read the list: %w", err)
	}
	if _, err := stored(s.delete(ctx, s.path(), nil)); err != nil {
		return Observation{}, err
	}
	restored, specs, uids := 0, 0, 0
	for _, old := range saved.Items {
		if _, err := s.awaitGone(ctx, old.GetName()); err != nil {
			return Observation{}, err
		}
		again := old.DeepCopy()
		unstructured.RemoveNestedField(again.Object, "metadata")
		unstructured.RemoveNestedField(again.Object, "status")
		again.SetName(old.GetName())
		now, err := s.create(ctx, again)
		if err != nil {
			return Observation{}, err
		}
		restored++
		if show(now, "spec") == show(&old, "spec") {
			specs++
		}
		if now.GetUID() == old.GetUID() {
			uids++
		}
	}
	return observed("%d of %d restored, the spec is %s, the UID %s", restored, count,
		choose(specs == restored, "the same", "another"), choose(uids == 0, "another", "the same"))
}

func sameKeys(ctx context.Context, s *Subject) (Observation, error) {
	change, err := s.formChange(ctx)
	if err != nil {
		return Observation{}, err
	}
	compare := func(now moment) string {
		before, same := change.before, func(what string, is bool) string { return choose(is, "the same ", "another ") + what }
		return fmt.Sprintf("%s, %s, %s", same("key", slices.Equal(now.keys, before.keys)),
			same("UID", now.instance.GetUID() == before.instance.GetUID()),
			same("spec", show(now.instance, "spec") == show(before.instance, "spec")))
	}
	other, again := compare(change.other), compare(change.again)
	return observed("served by the other form: %s; and by this one %s", other, choose(again == other, "again", again))
}

func childrenThroughChange(ctx context.Context, s *Subject) (Observation, error) {
	change, err := s.formChange(ctx)
	if err != nil {
		return Observation{}, err
	}
	say := func(now moment) string {
		return "the child is there and has " + choose(owns(now.instance, now.child), "its owner", "none")
	}
	other, again := say(change.other), say(change.again)
	return observed("with the other form %s; and with this one %s", other, choose(again == other, "again", again))
}

// owns is whether a child names an object, by its UID.
func owns(owner *unstructured.Unstructured, child *corev1.ConfigMap) bool {
	return slices.ContainsFunc(child.OwnerReferences, func(reference metav1.OwnerReference) bool {
		return reference.UID == owner.GetUID()
	})
}

// registrationTakenOver needs a CustomResourceDefinition that serves the versions beside whatever serves them now: it is
// that of whichever form has one.
func registrationTakenOver(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	s.afterwards(s.Site.leaveAnnex) // two forms are half installed there
	before, err := there.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	if err := there.defineCustomResource(ctx); err != nil {
		return Observation{}, err
	}
	registration, err := stored(there.get(ctx, registrationPath()))
	if err != nil {
		return Observation{}, err
	}
	if _, err := stored(there.delete(ctx, registrationPath(), nil)); err != nil {
		return Observation{}, err
	}
	var now *unstructured.Unstructured
	err = eventually(ctx, "another registration, and the object", func(ctx context.Context) (bool, error) {
		answer, err := there.get(ctx, registrationPath())
		if err != nil || !answer.OK() {
			return false, err
		}
		if now, err = answer.Object(); err != nil || now.GetUID() == registration.GetUID() {
			return false, err
		}
		read, err := there.get(ctx, there.path("db"))
		return err == nil && read.OK(), err
	})
	if err != nil {
		return Observation{}, err
	}
	served, err := there.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("it is there again, %s, and serves the object with %s",
		choose(now.GetLabels()[automanaged] == "true", "automanaged", "not automanaged"),
		choose(served.GetUID() == before.GetUID(), "its UID", "another UID"))
}

// defineCustomResource applies the CustomResourceDefinition of whichever form has one, and waits until it is established.
func (s *Subject) defineCustomResource(ctx context.Context) error {
	for _, form := range s.Site.forms {
		plan, err := s.Site.Installer.Env.Plan(ctx, form, form.Profiles()[0])
		if err != nil {
			return fmt.Errorf("could not read the plan of %s: %w", form.Name(), err)
		}
		if found := definitions(plan); len(found) > 0 {
			return s.establish(ctx, found[0])
		}
	}
	return errors.New("no form has a CustomResourceDefinition")
}

func (s *Subject) establish(ctx context.Context, definition *unstructured.Unstructured) error {
	_, err := stored(s.patch(ctx, pathOfDefinition(definition), definition, wire.PatchType(types.ApplyPatchType),
		wire.Query("fieldManager", "duet-matrix"), wire.Query("force", "true")))
	if err != nil {
		return fmt.Errorf("could not apply the CustomResourceDefinition: %w", err)
	}
	return s.established(ctx, definition)
}

func pathOfDefinition(definition *unstructured.Unstructured) string {
	return "/apis/" + definition.GetAPIVersion() + "/customresourcedefinitions/" + definition.GetName()
}

// established waits until a CustomResourceDefinition is.
func (s *Subject) established(ctx context.Context, definition *unstructured.Unstructured) error {
	return eventually(ctx, "the CustomResourceDefinition established", func(ctx context.Context) (bool, error) {
		current, err := stored(s.get(ctx, pathOfDefinition(definition)))
		if err != nil {
			return false, err
		}
		conditions, _, _ := unstructured.NestedSlice(current.Object, "status", "conditions")
		return slices.ContainsFunc(conditions, func(condition any) bool {
			return nested(condition, "type") == "Established" && nested(condition, "status") == "True"
		}), nil
	})
}
