package controller

import (
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// cluster plays the StatefulSet controller, the kubelets and a storage driver in a world, one step at a time.
type cluster struct {
	*world
	// started are the pods that were made, in order, as "name version".
	started []string
	// frozen volumes do not grow.
	frozen bool
}

// step does what is next: make or replace one pod, or grow the volumes. It says whether there was anything to do.
func (c *cluster) step() bool {
	c.t.Helper()
	moved := c.growVolumes()
	set := &appsv1.StatefulSet{}
	if !c.exists(set, "db") {
		return moved
	}
	c.get(set, "db")
	moved = c.replaceOnePod(set) || moved
	status := appsv1.StatefulSetStatus{UpdateRevision: revisionOf(set)}
	for _, pod := range c.pods() {
		status.Replicas++
		status.ReadyReplicas++
		if !outdated(&pod, &appsv1.StatefulSet{Status: status}) {
			status.UpdatedReplicas++
		}
	}
	if set.Status.UpdateRevision != status.UpdateRevision || set.Status.ReadyReplicas != status.ReadyReplicas ||
		set.Status.UpdatedReplicas != status.UpdatedReplicas {
		set.Status, moved = status, true
		c.must(c.server.Status().Update(c.t.Context(), set))
	}
	return moved
}

func revisionOf(set *appsv1.StatefulSet) string {
	content, err := json.Marshal(set.Spec.Template)
	if err != nil {
		panic(err)
	}
	return "db-" + shortHash(string(content))
}

// replaceOnePod goes from the highest ordinal down, as the StatefulSet controller does.
func (c *cluster) replaceOnePod(set *appsv1.StatefulSet) bool {
	pods := c.pods()
	for ordinal := max(int(*set.Spec.Replicas), len(pods)) - 1; ordinal >= 0; ordinal-- {
		name := fmt.Sprintf("db-%d", ordinal)
		i := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Name == name })
		wanted := ordinal < int(*set.Spec.Replicas)
		if wanted && i >= 0 && pods[i].Labels[appsv1.ControllerRevisionHashLabelKey] == revisionOf(set) || !wanted && i < 0 {
			continue
		}
		if i >= 0 {
			c.must(c.server.Delete(c.t.Context(), &pods[i]))
		}
		if wanted {
			c.startPod(set, ordinal)
		}
		return true
	}
	return false
}

func (c *cluster) startPod(set *appsv1.StatefulSet, ordinal int) {
	instance := newInstance()
	claim := newClaim(instance, ordinal, claimTemplateSize(set).String())
	claim.UID = types.UID(claim.Name)
	if !c.exists(&corev1.PersistentVolumeClaim{}, claim.Name) {
		c.must(c.server.Create(c.t.Context(), claim))
	}
	pod := newPod(instance, ordinal, true)
	pod.Spec.Containers = set.Spec.Template.Spec.Containers
	pod.Labels = map[string]string{}
	for key, value := range set.Spec.Template.Labels {
		pod.Labels[key] = value
	}
	pod.Labels[appsv1.ControllerRevisionHashLabelKey] = revisionOf(set)
	c.must(c.server.Create(c.t.Context(), pod))
	c.started = append(c.started, pod.Name+" "+imageVersion(pod).String())
}

// growVolumes gives every volume what its claim asks for.
func (c *cluster) growVolumes() bool {
	var claims corev1.PersistentVolumeClaimList
	c.must(c.server.List(c.t.Context(), &claims))
	moved := false
	for i := range claims.Items {
		claim := &claims.Items[i]
		asked := claim.Spec.Resources.Requests[corev1.ResourceStorage]
		if has := claim.Status.Capacity[corev1.ResourceStorage]; !c.frozen && has.Cmp(asked) < 0 {
			claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: asked}
			c.must(c.server.Status().Update(c.t.Context(), claim))
			moved = true
		}
	}
	return moved
}

func (c *cluster) pods() []corev1.Pod {
	var pods corev1.PodList
	c.must(c.server.List(c.t.Context(), &pods))
	return pods.Items
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// change changes the instance's spec, as its owner does.
func (c *cluster) change(change func(*v1.MySQLInstance)) {
	c.t.Helper()
	instance := c.instance()
	change(instance)
	c.must(c.server.Update(c.t.Context(), instance))
}

// run lets controller and cluster work, through failures, until neither has anything to do. watch sees every state on
// the way.
func (c *cluster) run(watch ...func()) {
	c.t.Helper()
	for range 100 {
		c.forget()
		_, err := c.reconcile()
		moved := c.step()
		for _, look := range watch {
			look()
		}
		if err == nil && len(c.writes) == 0 && !moved {
			return
		}
	}
	c.t.Fatalf("does not come to rest; last writes %v", c.writes)
}

// newCluster runs an instance until it has settled.
func newCluster(w *world) *cluster {
	w.t.Helper()
	c := &cluster{world: w}
	c.must(c.server.Create(w.t.Context(), storageClass(true)))
	c.run()
	c.started = nil
	return c
}

// storageClass of the fixtures' volumes.
func storageClass(expands bool) client.Object {
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "standard"}, Provisioner: "example.com/driver", AllowVolumeExpansion: &expands,
	}
}
