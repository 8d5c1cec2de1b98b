package behaviour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	migrationv1beta1 "k8s.io/api/storagemigration/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"

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
	value, err := there.stored(ctx, storing, "db")
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

func migration(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, gated)
	if err != nil {
		return Observation{}, err
	}
	if err := there.collected(ctx); err != nil {
		return Observation{}, err
	}
	for _, name := range []string{"db", "other"} {
		if _, err := there.create(ctx, fixture.Instance(name)); err != nil {
			return Observation{}, err
		}
	}
	storing, err := there.storing(ctx)
	if err != nil {
		return Observation{}, err
	}
	client, err := storing.etcd()
	if err != nil {
		return Observation{}, err
	}
	defer client.Close()
	key := there.key(storing, "db")
	var old []byte
	err = eventually(ctx, "an old encoding in the store, and nobody who writes", func(ctx context.Context) (bool, error) {
		if old, err = there.age(ctx, client, key); err != nil || old == nil {
			return false, err
		}
		return there.rests(ctx, client, key, old)
	})
	if err != nil {
		return Observation{}, err
	}
	outcome, err := there.migrate(ctx)
	if err != nil {
		return Observation{}, err
	}
	value, err := there.stored(ctx, storing, "db")
	if err != nil {
		return Observation{}, err
	}
	return observed("%s, what was stored otherwise is %s", outcome,
		choose(bytes.Equal(value, old), "still there", "written anew"))
}

// collected waits until the garbage collector knows the kind, whose cache is what a migration works from: a child goes
// with its owner.
func (s *Subject) collected(ctx context.Context) error {
	client, err := s.kubernetes()
	if err != nil {
		return err
	}
	if err := s.family(ctx, client, "known"); err != nil {
		return err
	}
	if _, err := stored(s.delete(ctx, s.path("known"), nil)); err != nil {
		return err
	}
	return eventually(ctx, "the child go", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ConfigMaps(s.Namespace).Get(ctx, "known", metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
}

// age stores the instance db in bytes that no server writes, as an earlier release might have. It returns nil if somebody
// else wrote meanwhile.
func (s *Subject) age(ctx context.Context, client *clientv3.Client, key string) ([]byte, error) {
	object, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	revision, err := strconv.ParseInt(object.GetResourceVersion(), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("could not read a resource version: %w", err)
	}
	old, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("could not encode an object: %w", err)
	}
	answer, err := client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
		Then(clientv3.OpPut(key, string(old))).Commit()
	if err != nil {
		return nil, fmt.Errorf("could not write to etcd: %w", err)
	}
	if !answer.Succeeded {
		return nil, nil
	}
	return old, nil
}

// quiet is how long nobody may write for a controller to be taken for done.
const quiet = 2 * time.Second

// rests is whether a value stays in the store for a while: what a controller writes would be taken for the migration.
func (s *Subject) rests(ctx context.Context, client *clientv3.Client, key string, value []byte) (bool, error) {
	err := wait.PollUntilContextTimeout(ctx, pollInterval, quiet, true, func(ctx context.Context) (bool, error) {
		current, err := client.Get(ctx, key)
		return err == nil && (len(current.Kvs) != 1 || !bytes.Equal(current.Kvs[0].Value, value)), err
	})
	if wait.Interrupted(err) {
		return ctx.Err() == nil, ctx.Err()
	}
	return false, err
}

// migrate asks for a migration of the resource's storage, and says how it ended.
func (s *Subject) migrate(ctx context.Context) (string, error) {
	client, err := s.kubernetes()
	if err != nil {
		return "", err
	}
	migrations := client.StoragemigrationV1beta1().StorageVersionMigrations()
	created, err := migrations.Create(ctx, &migrationv1beta1.StorageVersionMigration{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "row-"},
		Spec: migrationv1beta1.StorageVersionMigrationSpec{
			Resource: metav1.GroupResource{Group: fixture.Group, Resource: fixture.Resource},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("could not ask for a migration: %w", err)
	}
	outcome := ""
	// The migration begins when the garbage collector's cache has caught up with the moment it was asked for, which takes
	// an event of the kind: on a cluster where nobody writes, up to a minute.
	err = wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := stored(s.patch(ctx, s.path("other"), fmt.Sprintf(`{"metadata":{"labels":{"now":"%d"}}}`,
			time.Now().Unix()), wire.PatchType(types.MergePatchType)))
		if err != nil {
			return false, err
		}
		current, err := migrations.Get(ctx, created.Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, condition := range current.Status.Conditions {
			ended := condition.Type == string(migrationv1beta1.MigrationSucceeded) ||
				condition.Type == string(migrationv1beta1.MigrationFailed)
			if ended && condition.Status == metav1.ConditionTrue {
				outcome = condition.Type
			}
		}
		return outcome != "", nil
	})
	if err != nil {
		return "", fmt.Errorf("could not see the end of the migration: %w", err)
	}
	return outcome, err
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
