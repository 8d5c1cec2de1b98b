package behaviour

import (
	"context"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// apartRows are about a form whose storage is its own, if it can have that. The last one uses its annex up.
var apartRows = []Row{
	{
		ID: "E14", Group: Storage, Title: "The media type in storage",
		Why:    "Protobuf is smaller and faster to read; custom resources are JSON whatever the server is told.",
		Source: "apiserver pkg/server/options/etcd.go, DefaultStorageMediaType; the types need generated protobuf code",
		Flag:   Documented, Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD:        "by default JSON, asked for protobuf by --storage-media-type: JSON",
			Aggregated: "by default JSON, asked for protobuf by --storage-media-type: protobuf",
		},
		Probe: mediaType,
	},
	{
		ID: "E12", Group: Storage, Title: "Whether a backup of the cluster's etcd has the objects",
		Why: "Who restores the cluster from its etcd gets an aggregated API back only if it stores there, or has a backup " +
			"of its own from the same moment.",
		Source: "https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/, Backing up an etcd cluster",
		Flag:   Undocumented, Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD:        "after a restore the ConfigMap is back, and 3 of 3 instances",
			Aggregated: "after a restore the ConfigMap is back, and 0 of 3 instances",
		},
		Probe: restoredFromSnapshot,
	},
	{
		ID: "E3", Group: Storage, Title: "An etcd that is full",
		Why: "An API that fills its storage takes the cluster with it, unless the storage is its own; " +
			"--etcd-servers-overrides does not cover custom resources.",
		Source: "k/k#81508, k/k#118858, k/k#139817", Flag: Documented, Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD:        "full of instances: create 500, get 200; ConfigMap create refused",
			Aggregated: "full of instances: create 500, get 200; ConfigMap create accepted",
		},
		Probe: fullStorage,
	},
}

func restoredFromSnapshot(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, apart)
	if err != nil {
		return Observation{}, err
	}
	client, err := there.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	maps := client.CoreV1().ConfigMaps(there.Namespace)
	if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "control"}},
		metav1.CreateOptions{}); err != nil {
		return Observation{}, fmt.Errorf("could not create a ConfigMap: %w", err)
	}
	const count = 3
	for i := range count {
		if _, err := there.create(ctx, fixture.Instance(fmt.Sprintf("db-%d", i))); err != nil {
			return Observation{}, err
		}
	}
	restore, err := there.Site.snapshot(ctx, s.Site.annex.dir)
	if err != nil {
		return Observation{}, err
	}
	if err := maps.Delete(ctx, "control", metav1.DeleteOptions{}); err != nil {
		return Observation{}, fmt.Errorf("could not delete the ConfigMap: %w", err)
	}
	if _, err := stored(there.delete(ctx, there.path(), nil)); err != nil {
		return Observation{}, err
	}
	for i := range count {
		if _, err := there.awaitGone(ctx, fmt.Sprintf("db-%d", i)); err != nil {
			return Observation{}, err
		}
	}
	if err := restore(ctx); err != nil {
		return Observation{}, err
	}
	_, err = maps.Get(ctx, "control", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return Observation{}, fmt.Errorf("could not read the ConfigMap: %w", err)
	}
	control := choose(err == nil, "back", "gone")
	list, err := stored(there.get(ctx, there.path()))
	if err != nil {
		return Observation{}, err
	}
	return observed("after a restore the ConfigMap is %s, and %d of %d instances", control, len(namesIn(list)), count)
}

// snapshot copies what the control plane's etcd has on disk while it stands still, as a snapshot of its volume would, and
// returns what puts it back. Everything is started again then: nothing may remember what was later.
func (s *Site) snapshot(ctx context.Context, dir string) (restore func(context.Context) error, err error) {
	runner := s.Plane.Runner()
	etcd, err := process.Find(ctx, runner, controlplane.Etcd)
	if err != nil {
		return nil, err
	}
	data := etcd.Spec.Flag("data-dir")
	if err := runner.Pause(ctx, controlplane.Etcd); err != nil {
		return nil, err
	}
	saved, err := os.MkdirTemp(dir, "snapshot-")
	if err == nil {
		err = os.CopyFS(saved, os.DirFS(data))
	}
	if resumed := runner.Resume(ctx, controlplane.Etcd); resumed != nil {
		return nil, resumed
	}
	if err != nil {
		return nil, fmt.Errorf("could not copy the data of etcd: %w", err)
	}
	return func(ctx context.Context) error {
		statuses, err := runner.List(ctx)
		if err != nil {
			return err
		}
		for _, status := range statuses {
			if err := runner.Kill(ctx, status.Spec.Name); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(data); err != nil {
			return fmt.Errorf("could not take the data of etcd away: %w", err)
		}
		if err := os.Rename(saved, data); err != nil {
			return fmt.Errorf("could not put the snapshot into place: %w", err)
		}
		for _, status := range statuses {
			if err := runner.Restart(ctx, status.Spec.Name); err != nil {
				return err
			}
			if status.Spec.Name != controlplane.APIServer {
				continue
			}
			// The others are its clients, and some give up when it is not there as they start.
			if err := eventually(ctx, "kube-apiserver ready", func(ctx context.Context) (bool, error) {
				return s.ready(ctx) == nil, nil
			}); err != nil {
				return err
			}
		}
		return s.settle(ctx)
	}, nil
}

func fullStorage(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, apart)
	if err != nil {
		return Observation{}, err
	}
	s.afterwards(s.Site.leaveAnnex) // nothing more can be written there
	if _, err := there.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	ballast := strings.Repeat("x", 200<<10)
	for i := 0; ; i++ {
		answer, err := there.post(ctx, there.path(), fixture.Instance(fmt.Sprintf("heavy-%d", i),
			fixture.With("metadata.annotations", map[string]any{"duet.example.com/ballast": ballast})))
		if err != nil {
			return Observation{}, err
		}
		if answer.OK() {
			continue
		}
		if status := answer.Status(); status == nil || !strings.Contains(status.Message, "database space exceeded") {
			return Observation{}, fmt.Errorf("could not fill the storage: the server answered %s", answer.Verdict())
		}
		break
	}
	created, err := there.post(ctx, there.path(), fixture.Instance("one-more"))
	if err != nil {
		return Observation{}, err
	}
	read, err := there.get(ctx, there.path("db"))
	if err != nil {
		return Observation{}, err
	}
	client, err := there.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	_, err = client.CoreV1().ConfigMaps(there.Namespace).Create(ctx,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "neighbour"}}, metav1.CreateOptions{})
	return observed("full of instances: create %d, get %d; ConfigMap create %s",
		created.Code, read.Code, choose(err == nil, "accepted", "refused"))
}
