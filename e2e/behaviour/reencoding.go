package behaviour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	migrationv1beta1 "k8s.io/api/storagemigration/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

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
	value, err := there.stored(ctx, storing)
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
	changed, err := holdsWithin(ctx, quiet, func(ctx context.Context) (bool, error) {
		current, err := client.Get(ctx, key)
		return err == nil && (len(current.Kvs) != 1 || !bytes.Equal(current.Kvs[0].Value, value)), err
	})
	return !changed, err
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
