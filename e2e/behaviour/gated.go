package behaviour

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

// gated is an annex with what Kubernetes has and does not switch on: feature gates on every API server, and an API and an
// admission plugin of kube-apiserver.
var gated = setting{
	name: "gated",
	prepare: func(string, *annex) (everyServer, front []string, err error) {
		return []string{"--feature-gates=CBORServingAndStorage=true,ShardedListAndWatch=true"}, []string{
			"--feature-gates=StorageVersionMigrator=true",
			"--runtime-config=storagemigration.k8s.io/v1beta1=true",
			"--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
		}, nil
	},
	managerArgs: []string{"--feature-gates=StorageVersionMigrator=true"},
}

// gatedRows stand together, since they share a control plane.
var gatedRows = []Row{
	{
		ID: "A10", Group: Machinery, Title: "CBOR",
		Why: "It is to give custom resources what protobuf gives built-in kinds, " +
			"and changes what is stored for one form only.",
		Source: "KEP-4222, alpha: feature gate CBORServingAndStorage", Flag: Undocumented,
		Labels: failing, Site: true,
		Expect: Expectation{
			CRD: "by default 415 UnsupportedMediaType; with the gate create 201, read application/cbor, apply 200, " +
				"stored as CBOR",
			Aggregated: "by default 415 UnsupportedMediaType; with the gate create 201, read application/cbor, apply 200, " +
				"stored as JSON",
		},
		Probe: inCBOR,
	},
	{
		ID: "A44", Group: Machinery, Title: "LIST and watch of one shard",
		Why: "It lets a controller be split over many processes without each of them reading everything, " +
			"and a server that ignores the selector sends everything to each.",
		Source: "feature gate ShardedListAndWatch, alpha in 1.36", Flag: Parity,
		Labels: failing, Site: true,
		Expect: Both("by default the selector is ignored; with the gate two shards of 20: none missing, none twice; " +
			"a watch of one sees its own"),
		Probe: shards,
	},
	{
		ID: "C5", Group: Versioning, Title: "StorageVersionMigration",
		Why: "Old objects stay in the old encoding or version until somebody writes them, " +
			"which keeps the version from being taken away.",
		Source: "storageversionmigrator.go; kubernetes#135297; the manual step in the documentation is optional since 1.36",
		Flag:   Outdated, Labels: failing, Site: true,
		Expect: Both("Succeeded, what was stored otherwise is written anew"),
		Probe:  migration,
	},
	{
		ID: "B15", Group: Validation, Title: "An admission plugin that only kube-apiserver has",
		Why: "A user who may not delete an owner can still block its deletion by a child, " +
			"if the server of the child does not look.",
		Source: "kubernetes pkg/kubeapiserver/options/plugins.go; the library's plugins are fewer", Flag: Undocumented,
		Labels: failing, Site: true,
		Expect: Expectation{
			CRD:        "blockOwnerDeletion without the right on the owner 403 Forbidden, with it 201",
			Aggregated: "blockOwnerDeletion without the right on the owner 201, with it 201",
		},
		Probe: ownerPermissions,
	},
}

// selfDescribed is how every CBOR document of Kubernetes begins.
var selfDescribed = []byte{0xd9, 0xd9, 0xf7}

func inCBOR(ctx context.Context, s *Subject) (Observation, error) {
	body, err := direct.Marshal(fixture.Instance("db").Object)
	if err != nil {
		return Observation{}, fmt.Errorf("could not encode an object as CBOR: %w", err)
	}
	tagged := append(slices.Clone(selfDescribed), body...)
	byDefault, err := s.post(ctx, s.path(), tagged, wire.ContentType(runtime.ContentTypeCBOR))
	if err != nil {
		return Observation{}, err
	}
	there, err := s.annex(ctx, gated)
	if err != nil {
		return Observation{}, err
	}
	created, err := there.post(ctx, there.path(), tagged, wire.ContentType(runtime.ContentTypeCBOR))
	if err != nil {
		return Observation{}, err
	}
	read, err := there.get(ctx, there.path("db"), wire.Accept(runtime.ContentTypeCBOR))
	if err != nil {
		return Observation{}, err
	}
	format := read.Verdict()
	if read.OK() && bytes.HasPrefix(read.Body, selfDescribed) {
		format = read.Header.Get("Content-Type")
	}
	applied, err := there.patch(ctx, there.path("db"), tagged, wire.PatchType(types.ApplyCBORPatchType),
		wire.Query("fieldManager", "tuner"), wire.Query("force", "true"))
	if err != nil {
		return Observation{}, err
	}
	storing, err := there.storing(ctx)
	if err != nil {
		return Observation{}, err
	}
	value, err := there.stored(ctx, storing)
	if err != nil {
		return Observation{}, err
	}
	kept := encoding(value)
	if bytes.HasPrefix(value, selfDescribed) {
		kept = "CBOR"
	}
	return observed("by default %s; with the gate create %s, read %s, apply %s, stored as %s",
		byDefault.Verdict(), created.Verdict(), format, applied.Verdict(), kept)
}

// halves select the two halves of all objects, by a hash of their UID.
var halves = []string{
	"shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')",
	"shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')",
}

func shards(ctx context.Context, s *Subject) (Observation, error) {
	const count = 20
	fill := func(subject *Subject) error {
		for i := range count {
			if _, err := subject.create(ctx, fixture.Instance(fmt.Sprintf("db-%02d", i))); err != nil {
				return err
			}
		}
		return nil
	}
	if err := fill(s); err != nil {
		return Observation{}, err
	}
	ignored, err := stored(s.get(ctx, s.path(), wire.Query("shardSelector", halves[0])))
	if err != nil {
		return Observation{}, err
	}
	byDefault := fmt.Sprintf("gives %d", len(namesIn(ignored)))
	if len(namesIn(ignored)) == count {
		byDefault = "is ignored"
	}
	there, err := s.annex(ctx, gated)
	if err != nil {
		return Observation{}, err
	}
	if err := fill(there); err != nil {
		return Observation{}, err
	}
	var parts []sets.Set[string]
	version := ""
	for _, half := range halves {
		list, err := stored(there.get(ctx, there.path(), wire.Query("shardSelector", half)))
		if err != nil {
			return Observation{}, err
		}
		parts, version = append(parts, sets.New(namesIn(list)...)), list.GetResourceVersion()
	}
	stream, err := there.client.Watch(ctx, there.path(), wire.Query("shardSelector", halves[0]),
		wire.Query("resourceVersion", version))
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	stray, err := there.strays(ctx, stream, parts[0])
	if err != nil {
		return Observation{}, err
	}
	return observed("by default the selector %s; with the gate two shards of %d: %s missing, %s twice; a watch of one sees %s",
		byDefault, parts[0].Len()+parts[1].Len(), none(count-parts[0].Union(parts[1]).Len()),
		none(parts[0].Intersection(parts[1]).Len()), choose(stray == "", "its own", stray+" of another"))
}

func none(count int) string { return choose(count == 0, "none", fmt.Sprint(count)) }

// strays labels every instance and reads the watch until the last one of a shard has come. It returns an instance that is
// not of the shard, if the watch has one.
func (s *Subject) strays(ctx context.Context, stream *wire.Stream, shard sets.Set[string]) (string, error) {
	list, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return "", err
	}
	awaited := shard.Clone()
	for _, name := range namesIn(list) {
		_, err := stored(s.patch(ctx, s.path(name), `{"metadata":{"labels":{"tier":"prod"}}}`,
			wire.PatchType(types.MergePatchType)))
		if err != nil {
			return "", err
		}
	}
	stray := ""
	_, err = stream.Until(func(event wire.Event) bool {
		name := event.Object.GetName()
		if !shard.Has(name) {
			stray = name
		}
		if event.Object.GetLabels()["tier"] == "prod" {
			awaited.Delete(name)
		}
		return stray != "" || awaited.Len() == 0
	})
	return stray, err
}

func ownerPermissions(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, gated)
	if err != nil {
		return Observation{}, err
	}
	client, err := there.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	owner, err := client.CoreV1().ConfigMaps(there.Namespace).Create(ctx,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create an owner: %w", err)
	}
	const jane = "jane"
	if err := there.grant(ctx, jane, fixture.Resource, "create", "list"); err != nil {
		return Observation{}, err
	}
	user, err := there.as(jane)
	if err != nil {
		return Observation{}, err
	}
	if err := granted(ctx, user, there.path()); err != nil {
		return Observation{}, err
	}
	child := func(name string) *unstructured.Unstructured {
		object := fixture.Instance(name)
		object.SetOwnerReferences([]metav1.OwnerReference{
			*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap")),
		})
		return object
	}
	without, err := user.Send(ctx, "POST", there.path(), child("without"))
	if err != nil {
		return Observation{}, err
	}
	with, err := there.post(ctx, there.path(), child("with")) // as the administrator
	if err != nil {
		return Observation{}, err
	}
	return observed("blockOwnerDeletion without the right on the owner %s, with it %s", without.Verdict(), with.Verdict())
}
