package behaviour

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

var versioningRows = []Row{
	{
		ID: "C1", Group: Versioning, Title: "One object in two versions",
		Why:    "Clients of the old version keep working while others have moved on.",
		Source: "custom-resources, Multi-versioning", Flag: Parity,
		Needs: []install.Capability{install.MultipleVersions},
		Expect: Both("v1: version 8.4.3, replicas 3, size 20Gi, tls Disabled, window Sunday 03:00 60; " +
			"v1alpha1 after a change in v1: readReplicas 4, storageGB 20; v1 after it is put back in v1alpha1: replicas 5"),
		Probe: twoVersions,
	},
	{
		ID: "C9", Group: Versioning, Title: "Values the old version cannot say",
		Why:    "An old client that reads and writes back must not change what it never saw.",
		Source: "api_changes.md, Backward compatibility gotchas", Flag: Parity,
		Needs:  []install.Capability{install.MultipleVersions},
		Expect: Both("after a change through v1alpha1: replicas 2, size 1536Mi, service NodePort, cpu 750m"),
		Probe:  lossless,
	},
	{
		ID: "C10", Group: Versioning, Title: "A string that only the conversion understands",
		Why: "The order of validation and conversion decides whether the client learns the field, " +
			"or only that something is wrong.",
		Source: "gardener and cert-manager convert first; a schema comes before the conversion webhook", Flag: Parity,
		Needs:  []install.Capability{install.MultipleVersions, install.GoValidation},
		Expect: Both("422 Invalid: spec.maintenanceWindow"),
		Probe:  unparsable,
	},
	{
		ID: "C11", Group: Versioning, Title: "LIST and watch in the version that is not stored",
		Why:    "A client gets every object in the version it asked for, old ones and new ones alike.",
		Source: "custom-resource-definition-versioning", Flag: Parity,
		Needs:  []install.Capability{install.MultipleVersions},
		Expect: Both("LIST v1alpha1 readReplicas 2, watch MODIFIED v1alpha1 readReplicas 4"),
		Probe:  readInOldVersion,
	},
	{
		ID: "C12", Group: Versioning, Title: "A status in an annotation of the old version",
		Why: "Conversion that carries status in an annotation lets whoever may write the main endpoint forge it: " +
			"kube-apiserver protects a custom resource's status, not its annotations.",
		Source: "found while building; the aggregated form resets the status after conversion, the crd form needs a webhook",
		Flag:   Parity,
		Needs:  []install.Capability{install.MultipleVersions},
		Expect: Both("PUT in v1alpha1 200, status.primary in v1 is not the forged one"),
		Probe:  smuggledStatus,
	},
	{
		ID: "A40", Group: Versioning, Title: "Deprecation warning",
		Why:    "It is how the users of a version learn that it will go.",
		Source: "deprecation-policy; custom-resource-definition-versioning, Version deprecation", Flag: Parity,
		Needs: []install.Capability{install.MultipleVersions},
		Expect: Both("v1alpha1: mysql.example.com/v1alpha1 MySQLInstance is deprecated; " +
			"use mysql.example.com/v1 MySQLInstance; v1: none"),
		Probe: deprecation,
	},
}

func twoVersions(ctx context.Context, s *Subject) (Observation, error) {
	_, err := stored(s.post(ctx, s.alpha(), fixture.Alpha("db",
		fixture.With("spec.readReplicas", 2), fixture.With("spec.storageGB", 20),
		fixture.With("spec.sslMode", "DISABLED"), fixture.With("spec.maintenanceWindow", "Sun:03:00-Sun:04:00"))))
	if err != nil {
		return Observation{}, err
	}
	asV1, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	_, err = stored(s.patch(ctx, s.path("db"), `{"spec":{"replicas":5}}`, wire.PatchType(types.MergePatchType)))
	if err != nil {
		return Observation{}, err
	}
	asAlpha, err := stored(s.get(ctx, s.alpha("db")))
	if err != nil {
		return Observation{}, err
	}
	if _, err := stored(s.updateAlpha(ctx)); err != nil {
		return Observation{}, err
	}
	after, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("v1: version %s, replicas %s, size %s, tls %s, window %s %s %s; "+
		"v1alpha1 after a change in v1: readReplicas %s, storageGB %s; "+
		"v1 after it is put back in v1alpha1: replicas %s",
		show(asV1, "spec", "version"), show(asV1, "spec", "replicas"), show(asV1, "spec", "storage", "size"),
		show(asV1, "spec", "tls", "mode"), show(asV1, "spec", "maintenanceWindow", "day"),
		show(asV1, "spec", "maintenanceWindow", "startTime"), show(asV1, "spec", "maintenanceWindow", "durationMinutes"),
		show(asAlpha, "spec", "readReplicas"), show(asAlpha, "spec", "storageGB"), show(after, "spec", "replicas"))
}

// updateAlpha is what a client of v1alpha1 does: read, change, put back, and again if there was a conflict.
func (s *Subject) updateAlpha(ctx context.Context, edits ...fixture.Edit) (*wire.Answer, error) {
	var answer *wire.Answer
	err := eventually(ctx, "an update in v1alpha1 without a conflict", func(ctx context.Context) (bool, error) {
		object, err := stored(s.get(ctx, s.alpha("db")))
		if err != nil {
			return false, err
		}
		for _, edit := range edits {
			edit(object)
		}
		answer, err = s.put(ctx, s.alpha("db"), object)
		return err == nil && answer.Code != 409, err
	})
	return answer, err
}

func lossless(ctx context.Context, s *Subject) (Observation, error) {
	_, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.storage.size", "1536Mi"),
		fixture.With("spec.service.type", "NodePort"), fixture.With("spec.resources.cpu", "750m")))
	if err != nil {
		return Observation{}, err
	}
	if _, err := stored(s.updateAlpha(ctx, fixture.With("spec.readReplicas", 1))); err != nil {
		return Observation{}, err
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("after a change through v1alpha1: replicas %s, size %s, service %s, cpu %s",
		show(object, "spec", "replicas"), show(object, "spec", "storage", "size"),
		show(object, "spec", "service", "type"), show(object, "spec", "resources", "cpu"))
}

func smuggledStatus(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	const forged = "forged-0"
	answer, err := s.updateAlpha(ctx, func(object *unstructured.Unstructured) {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[install.Group+"/v1-fields"] = fmt.Sprintf(`{"status.primary":%q}`, forged)
		object.SetAnnotations(annotations)
	})
	if err != nil {
		return Observation{}, err
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	whose := "not the forged one"
	if show(object, "status", "primary") == forged {
		whose = "the forged one"
	}
	return observed("PUT in v1alpha1 %s, status.primary in v1 is %s", answer.Verdict(), whose)
}

func unparsable(ctx context.Context, s *Subject) (Observation, error) {
	answer, err := s.post(ctx, s.alpha(), fixture.Alpha("db", fixture.With("spec.maintenanceWindow", "whenever")))
	if err != nil {
		return Observation{}, err
	}
	return observed("%s", answer.Verdict())
}

func readInOldVersion(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.replicas", 3))); err != nil {
		return Observation{}, err
	}
	list, err := stored(s.get(ctx, s.alpha()))
	if err != nil {
		return Observation{}, err
	}
	items, _, _ := unstructured.NestedSlice(list.Object, "items")
	if len(items) != 1 {
		return observed("LIST of %d", len(items))
	}
	listed := &unstructured.Unstructured{Object: items[0].(map[string]any)}
	stream, err := s.client.Watch(ctx, s.alpha(), wire.Query("resourceVersion", list.GetResourceVersion()))
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	if _, err := stored(s.update(ctx, fixture.With("spec.replicas", 5))); err != nil {
		return Observation{}, err
	}
	events, err := stream.Until(func(e wire.Event) bool {
		return e.Type != watch.Modified || e.Object.GetGeneration() > listed.GetGeneration()
	})
	if err != nil {
		return Observation{}, err
	}
	event := events[len(events)-1]
	version := func(o *unstructured.Unstructured) string { return o.GroupVersionKind().Version }
	return observed("LIST %s readReplicas %s, watch %s %s readReplicas %s",
		version(list), show(listed, "spec", "readReplicas"),
		event.Type, version(event.Object), show(event.Object, "spec", "readReplicas"))
}

func deprecation(ctx context.Context, s *Subject) (Observation, error) {
	var seen []string
	for _, version := range []string{fixture.V1alpha1, fixture.V1} {
		answer, err := s.get(ctx, fixture.Path(version, s.Namespace))
		if err != nil {
			return Observation{}, err
		}
		told := strings.Join(answer.Warnings(), "; ")
		seen = append(seen, fmt.Sprintf("%s: %s", version, choose(told != "", told, "none")))
	}
	return observed("%s", strings.Join(seen, "; "))
}
