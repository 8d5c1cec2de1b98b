package controller

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

func two(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(2)) }

func twentyGi(i *v1.MySQLInstance) { i.Spec.Storage.VolumeSize = resource.MustParse("20Gi") }

// sizes are what the claims ask for, and then what the StatefulSet makes new ones with.
func (c *cluster) sizes() []string {
	c.t.Helper()
	var claims corev1.PersistentVolumeClaimList
	c.must(c.server.List(c.t.Context(), &claims))
	var sizes []string
	for i := range claims.Items {
		sizes = append(sizes, claims.Items[i].Spec.Resources.Requests.Storage().String())
	}
	set := &appsv1.StatefulSet{}
	c.get(set, "db")
	return append(sizes, claimTemplateSize(set).String())
}

func TestVolumesGrow(t *testing.T) {
	c := newCluster(newWorld(t, newInstance(two)))
	c.frozen = true
	c.change(twentyGi)
	c.run()
	if diff := cmp.Diff([]string{"20Gi", "20Gi", "20Gi"}, c.sizes()); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	resized := meta.FindStatusCondition(c.instance().Status.Conditions, v1.ConditionStorageResized)
	if want := "2 of 2 volumes do not have 20Gi yet: data-db-0 (the storage driver has not begun), " +
		"data-db-1 (the storage driver has not begun)"; resized.Message != want || resized.Reason != ReasonResizing {
		t.Errorf("StorageResized says %s: %q, want %q", resized.Reason, resized.Message, want)
	}
	if got := c.instance().Status.StorageCapacity.String(); got != "10Gi" {
		t.Errorf("the capacity is told as %s, while it is 10Gi", got)
	}
	c.frozen = false
	c.run()
	if got := c.condition(v1.ConditionStorageResized); got != "True SizeReached" {
		t.Errorf("StorageResized is %s in the end", got)
	}
	if got := c.instance().Status.StorageCapacity.String(); got != "20Gi" {
		t.Errorf("the capacity is told as %s, while it is 20Gi", got)
	}
	c.change(func(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(3)) })
	c.run()
	if diff := cmp.Diff([]string{"20Gi", "20Gi", "20Gi", "20Gi"}, c.sizes()); diff != "" {
		t.Errorf("sizes with one more server (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"db-2 8.4.3"}, c.started); diff != "" {
		t.Errorf("servers that were started (-want +got):\n%s", diff)
	}
}

// TestGrowthLeavesHeldChangesAlone: a StatefulSet that is made anew is the one that was deleted, whatever waits.
// TestAStatefulSetThatGoesHandsDownNoTemplates: it may be gone by the time the next one is made.
func TestAStatefulSetThatGoesHandsDownNoTemplates(t *testing.T) {
	small := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
		ObjectMeta: metav1.ObjectMeta{Name: dataVolume},
		Spec: corev1.PersistentVolumeClaimSpec{Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}}},
	}}}}
	going := small.DeepCopy()
	going.DeletionTimestamp = &metav1.Time{}
	for name, tc := range map[string]struct {
		set  *appsv1.StatefulSet
		want string
	}{
		"one that stays": {small, "10Gi"},
		"one that goes":  {going, "20Gi"},
		"none":           {nil, "20Gi"},
	} {
		t.Run(name, func(t *testing.T) {
			templates, err := liveClaimTemplates(tc.set)
			if err != nil {
				t.Fatal(err)
			}
			got := claimTemplates(newInstance(twentyGi), facts{claimTemplates: templates})[0].Spec.Resources.Requests
			if size := got.Storage().String(); size != tc.want {
				t.Errorf("the next StatefulSet makes volumes of %s, want %s", size, tc.want)
			}
		})
	}
}

func TestGrowthLeavesHeldChangesAlone(t *testing.T) {
	c := newCluster(newWorld(t, newInstance(two, closed)))
	c.change(func(i *v1.MySQLInstance) { twentyGi(i); i.Spec.Version = "8.4.4" })
	c.run()
	if len(c.started) > 0 {
		t.Errorf("servers were restarted: %v", c.started)
	}
	if diff := cmp.Diff([]string{"20Gi", "20Gi", "20Gi"}, c.sizes()); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if got := c.condition(v1.ConditionConfigurationApplied); got != "False WaitingForMaintenanceWindow" {
		t.Errorf("ConfigurationApplied is %s", got)
	}
}

// TestVolumesOfServersThatWereScaledAway grow when they are used again.
func TestVolumesOfServersThatWereScaledAway(t *testing.T) {
	c := newCluster(newWorld(t, newInstance(two)))
	c.change(func(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(1)) })
	c.run()
	c.change(twentyGi)
	c.run()
	if diff := cmp.Diff([]string{"20Gi", "10Gi", "20Gi"}, c.sizes()); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if got := c.condition(v1.ConditionStorageResized); got != "True SizeReached" {
		t.Errorf("StorageResized is %s, while every server has its volume", got)
	}
	c.change(two)
	c.run()
	if diff := cmp.Diff([]string{"20Gi", "20Gi", "20Gi"}, c.sizes()); diff != "" {
		t.Errorf("sizes with the server back (-want +got):\n%s", diff)
	}
}

// TestVolumesThatCannotGrow are reported, and hold up nothing else.
func TestVolumesThatCannotGrow(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumeclaims"}, "data-db-0",
		errors.New("exceeded quota"))
	tests := map[string]struct {
		arrange func(*cluster)
		// wantTried is whether the API server is asked to grow a volume.
		wantTried   bool
		wantMessage string
	}{
		"the class does not let them": {
			arrange: func(c *cluster) {
				c.must(c.server.Delete(c.t.Context(), storageClass(true)))
				c.must(c.server.Create(c.t.Context(), storageClass(false)))
			},
			wantMessage: "spec.storage.size is 20Gi, but StorageClass standard does not allow volumes to grow: " +
				"set its allowVolumeExpansion",
		},
		"the class is gone": {
			arrange: func(c *cluster) { c.must(c.server.Delete(c.t.Context(), storageClass(true))) },
			wantMessage: "spec.storage.size is 20Gi, but StorageClass standard does not exist any more, " +
				"and only volumes of one that does can grow",
		},
		"they have no class": {
			arrange: func(c *cluster) {
				meddle(c.world, &corev1.PersistentVolumeClaim{}, "data-db-0", func(o *corev1.PersistentVolumeClaim) {
					o.Spec.StorageClassName = nil
				})
			},
			wantMessage: "spec.storage.size is 20Gi, but volume data-db-0 has no StorageClass, and only those of a class can grow",
		},
		"the API server refuses": {
			arrange: func(c *cluster) {
				c.before = func(write string) error {
					if write == "patch PersistentVolumeClaim data-db-0" {
						return forbidden
					}
					return nil
				}
			},
			wantTried:   true,
			wantMessage: "spec.storage.size is 20Gi, but volume data-db-0 cannot grow: " + forbidden.Error(),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(newWorld(t, newInstance()))
			test.arrange(c)
			c.change(func(i *v1.MySQLInstance) { twentyGi(i); i.Spec.Service.Port = new(int32(4406)) })
			for range 5 {
				c.forget()
				result, err := c.reconcile()
				if err != nil || result.RequeueAfter != blockedRetry {
					t.Fatalf("got %v, %v; want to be looked at again after %s", result, err, blockedRetry)
				}
				c.step()
			}
			if got := slices.Contains(c.writes, "patch PersistentVolumeClaim data-db-0"); got != test.wantTried {
				t.Errorf("tried to grow the volume: %v, want %v", got, test.wantTried)
			}
			if len(c.writes) > 1 || len(c.writes) == 1 && !test.wantTried {
				t.Errorf("still writes %v", c.writes)
			}
			resized := meta.FindStatusCondition(c.instance().Status.Conditions, v1.ConditionStorageResized)
			if resized.Reason != ReasonExpansionRefused || resized.Message != test.wantMessage {
				t.Errorf("StorageResized says %s: %q, want %q", resized.Reason, resized.Message, test.wantMessage)
			}
			if diff := cmp.Diff([]string{"10Gi", "10Gi"}, c.sizes()); diff != "" {
				t.Errorf("sizes (-want +got):\n%s", diff)
			}
			if got := c.instance().Status.Endpoint.Port; got != 4406 {
				t.Errorf("the rest of the spec waits for the volumes: the port is %d", got)
			}
		})
	}
}

// TestAnUnboundVolumeGrowsOnceItIsBound: until then nobody may change its claim.
func TestAnUnboundVolumeGrowsOnceItIsBound(t *testing.T) {
	c := newCluster(newWorld(t, newInstance()))
	c.frozen = true
	phase := func(phase corev1.PersistentVolumeClaimPhase) {
		claim := &corev1.PersistentVolumeClaim{}
		c.get(claim, "data-db-0")
		claim.Status.Phase = phase
		c.must(c.server.Status().Update(t.Context(), claim))
	}
	phase(corev1.ClaimPending)
	c.change(twentyGi)
	c.run()
	if diff := cmp.Diff([]string{"10Gi", "20Gi"}, c.sizes()); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	phase(corev1.ClaimBound)
	c.run()
	if diff := cmp.Diff([]string{"20Gi", "20Gi"}, c.sizes()); diff != "" {
		t.Errorf("sizes once it is bound (-want +got):\n%s", diff)
	}
}

func TestWhatAVolumeWaitsFor(t *testing.T) {
	tests := map[string]struct {
		change func(*corev1.PersistentVolumeClaimStatus)
		want   string
	}{
		"nothing yet": {func(*corev1.PersistentVolumeClaimStatus) {}, "the storage driver has not begun"},
		"unbound":     {func(s *corev1.PersistentVolumeClaimStatus) { s.Phase = corev1.ClaimPending }, "not bound to a volume"},
		"the driver": {
			func(s *corev1.PersistentVolumeClaimStatus) { s.Conditions = claimCondition("Resizing", "") },
			"the storage driver is at it",
		},
		"the file system": {
			func(s *corev1.PersistentVolumeClaimStatus) {
				s.Conditions = claimCondition("FileSystemResizePending", "")
			},
			"the file system grows while a server has it mounted",
		},
		"an error": {
			func(s *corev1.PersistentVolumeClaimStatus) {
				s.Conditions = append(claimCondition("Resizing", ""), claimCondition("ControllerResizeError", "out of space")...)
			},
			"ControllerResizeError Failed: out of space",
		},
		"what cannot be": {
			func(s *corev1.PersistentVolumeClaimStatus) {
				s.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{
					corev1.ResourceStorage: corev1.PersistentVolumeClaimControllerResizeInfeasible,
				}
			},
			"the storage driver says ControllerResizeInfeasible",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			claim := newClaim(newInstance(), 0, "20Gi")
			test.change(&claim.Status)
			if got := awaited(claim, resource.MustParse("20Gi")); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	small := newClaim(newInstance(), 0, "10Gi")
	if got := awaited(small, resource.MustParse("20Gi")); got != "about to be asked for" {
		t.Errorf("got %q of a claim that does not ask for it yet", got)
	}
}

func claimCondition(kind corev1.PersistentVolumeClaimConditionType, message string) []corev1.PersistentVolumeClaimCondition {
	return []corev1.PersistentVolumeClaimCondition{{
		Type: kind, Status: corev1.ConditionTrue, Reason: "Failed", Message: message,
	}}
}

// TestADeletionWhileTheStatefulSetIsAway leaves no server behind.
func TestADeletionWhileTheStatefulSetIsAway(t *testing.T) {
	for _, policy := range []v1.DeletionPolicy{v1.DeletionDelete, v1.DeletionRetain} {
		t.Run(string(policy), func(t *testing.T) {
			c := newCluster(newWorld(t, newInstance(two, func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = policy })))
			somebody := newPod(newInstance(), 0, true)
			somebody.Name = "db-copy"
			c.must(c.server.Create(t.Context(), somebody))
			meddle(c.world, &appsv1.StatefulSet{}, "db", func(o *appsv1.StatefulSet) {
				o.Finalizers = []string{metav1.FinalizerOrphanDependents}
			})
			set := &appsv1.StatefulSet{}
			c.get(set, "db")
			c.must(c.server.Delete(t.Context(), set))
			c.must(c.server.Delete(t.Context(), c.instance()))
			c.settle()
			if len(c.pods()) != 3 || !c.exists(&v1.MySQLInstance{}, "db") {
				t.Fatal("the deletion does not wait for the StatefulSet to let its pods go")
			}
			progressing := meta.FindStatusCondition(c.instance().Status.Conditions, v1.ConditionProgressing)
			if !strings.Contains(progressing.Message, "StatefulSet db") {
				t.Errorf("Progressing says %q", progressing.Message)
			}
			c.get(set, "db")
			set.Finalizers = nil
			c.must(c.server.Update(t.Context(), set))
			c.settle()
			if pods := c.pods(); len(pods) != 1 || pods[0].Name != "db-copy" {
				t.Errorf("pods left: %v, want db-copy alone", len(pods))
			}
			if c.exists(&v1.MySQLInstance{}, "db") {
				t.Error("the instance is left")
			}
		})
	}
}
