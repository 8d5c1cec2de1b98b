package controller

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// settled is a world that is as the instance asks.
func settled(instance *v1.MySQLInstance) observation {
	wanted := wantedServers(instance)
	o := observation{
		statefulSet: &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Name: "db", Generation: 2},
			Spec: appsv1.StatefulSetSpec{VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: dataVolume}, Spec: newClaim(instance, 0, "10Gi").Spec,
			}}},
			Status: appsv1.StatefulSetStatus{
				ObservedGeneration: 2, Replicas: wanted, ReadyReplicas: wanted, UpdatedReplicas: wanted,
				UpdateRevision: testRevision,
			},
		},
		plan: plan{
			rollout: rolloutOf(instance, facts{}, instance.Spec.Version, "mysql", nil), version: instance.Spec.Version,
		},
		connects: true,
		primaryService: &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "db-primary", Namespace: "shop"},
			Spec: corev1.ServiceSpec{
				Type:  corev1.ServiceTypeClusterIP,
				Ports: []corev1.ServicePort{{Name: mysqlPortName, Port: 3306}},
			},
		},
		pods:       map[int]*corev1.Pod{},
		claims:     map[int]*corev1.PersistentVolumeClaim{},
		rootSecret: "db-root/password/uid", primaryRootSecret: "db-root/password/uid",
	}
	o.servers = map[int]*server{}
	for ordinal := range int(wanted) {
		o.pods[ordinal] = newPod(instance, ordinal, true)
		o.servers[ordinal] = &server{
			ordinal: ordinal, pod: o.pods[ordinal], session: &fakeSession{fakeServer: &fakeServer{}}, judged: ordinal > 0,
		}
	}
	for ordinal := range int(*instance.Spec.Replicas) {
		o.claims[ordinal] = newClaim(instance, ordinal, "10Gi")
	}
	return o
}

func TestConditions(t *testing.T) {
	three := func(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(3)) }
	// want holds "Status Reason" by type; conditions that are not named are as in the first case.
	settledWant := map[string]string{
		v1.ConditionReady:                "True Serving",
		v1.ConditionAvailable:            "True PrimaryReady",
		v1.ConditionProgressing:          "False Settled",
		v1.ConditionStorageResized:       "True SizeReached",
		v1.ConditionReplicating:          "True Following",
		v1.ConditionConfigurationApplied: "True Applied",
		v1.ConditionBackupScheduled:      "False NotRequested",
	}
	tests := map[string]struct {
		spec        func(*v1.MySQLInstance)
		world       func(*observation)
		want        map[string]string
		wantMessage map[string]string
	}{
		"settled": {},
		"nothing exists yet": {
			world: func(o *observation) { *o = observation{} },
			want: map[string]string{
				v1.ConditionReady: "False Applying", v1.ConditionAvailable: "False PrimaryNotReady",
				v1.ConditionProgressing: "True Applying", v1.ConditionStorageResized: "Unknown NoVolumes",
				v1.ConditionConfigurationApplied: "False Applying",
			},
		},
		"just written, so the caches are older than the spec": {
			world: func(o *observation) { o.writing = true },
			want: map[string]string{
				v1.ConditionReady: "False Applying", v1.ConditionProgressing: "True Applying",
				v1.ConditionConfigurationApplied: "False Applying",
			},
		},
		"the StatefulSet controller has not looked yet": {
			world: func(o *observation) { o.statefulSet.Generation = 3 },
			want: map[string]string{
				v1.ConditionReady: "False Updating", v1.ConditionProgressing: "True Updating",
				v1.ConditionConfigurationApplied: "False Updating",
			},
		},
		"no node for the pod": {
			world: func(o *observation) {
				o.statefulSet.Status.ReadyReplicas = 0
				o.pods[0].Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
					Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
					Reason: corev1.PodReasonUnschedulable, Message: "0/0 nodes are available",
				}}}
				o.claims[0].Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}
			},
			want: map[string]string{
				v1.ConditionReady: "False WaitingForServers", v1.ConditionAvailable: "False PrimaryNotReady",
				v1.ConditionProgressing: "True WaitingForServers", v1.ConditionStorageResized: "False VolumesPending",
				v1.ConditionConfigurationApplied: "False WaitingForServers",
			},
			wantMessage: map[string]string{
				v1.ConditionProgressing:    "0 of 1 servers are ready: pod db-0 is not scheduled: Unschedulable: 0/0 nodes are available",
				v1.ConditionStorageResized: "1 of 1 volumes do not have 10Gi yet: data-db-0 (not bound to a volume)",
			},
		},
		"an update under way": {
			spec: three,
			world: func(o *observation) {
				for _, ordinal := range []int{0, 1} {
					o.pods[ordinal].Labels[appsv1.ControllerRevisionHashLabelKey] = "db-older"
					o.pods[ordinal].Spec.Containers[0].Image = "mysql:8.0.36"
				}
			},
			want: map[string]string{
				v1.ConditionReady: "False Updating", v1.ConditionProgressing: "True Updating",
				v1.ConditionConfigurationApplied: "False Updating",
			},
			wantMessage: map[string]string{v1.ConditionProgressing: "1 of 3 servers are up to date: version 8.0.36 to 8.4.3"},
		},
		"a replica is missing": {
			spec: three,
			world: func(o *observation) {
				o.statefulSet.Status.ReadyReplicas = 2
				delete(o.pods, 1)
				delete(o.servers, 1)
			},
			want: map[string]string{
				v1.ConditionReady: "False WaitingForServers", v1.ConditionProgressing: "True WaitingForServers",
				v1.ConditionConfigurationApplied: "False WaitingForServers",
				v1.ConditionReplicating:          "False WaitingForServers",
			},
			wantMessage: map[string]string{v1.ConditionReady: "2 of 3 servers are ready: pod db-1 does not exist"},
		},
		"replicas in trouble": {
			spec: three,
			world: func(o *observation) {
				o.servers[1].verdict = verdict{reason: ReasonReplicaLagging, message: "is more than 30s behind the primary"}
				o.servers[2].verdict = verdict{reason: ReasonReplicaBroken, message: "was stopped"}
			},
			want: map[string]string{
				v1.ConditionReplicating: "False ReplicaBroken", v1.ConditionReady: "False ReplicaBroken",
			},
			wantMessage: map[string]string{
				v1.ConditionReplicating: "pod db-1 is more than 30s behind the primary; pod db-2 was stopped",
			},
		},
		"the primary cannot be reached": {
			spec: three,
			world: func(o *observation) {
				for _, s := range o.servers {
					s.judged = false
				}
				o.servers[0].session, o.servers[0].unreachable = nil, "connection refused"
			},
			want: map[string]string{
				v1.ConditionReplicating: "Unknown ServersUnreachable", v1.ConditionReady: "False ServersUnreachable",
				v1.ConditionConfigurationApplied: "False ServersUnreachable",
			},
			wantMessage: map[string]string{
				v1.ConditionConfigurationApplied: "pod db-0 could not be reached: connection refused",
			},
		},
		"the only server cannot be reached, but serves": {
			world: func(o *observation) {
				o.servers[0].session, o.servers[0].unreachable = nil, "connection refused"
			},
			want: map[string]string{v1.ConditionConfigurationApplied: "False ServersUnreachable"},
		},
		"a step that failed": {
			spec: three,
			world: func(o *observation) {
				o.servers[1].verdict = verdict{step: stepFollow, reason: ReasonReplicaStarting, message: "does not follow"}
				o.servers[1].failed = errors.New("no space")
			},
			want: map[string]string{
				v1.ConditionReplicating: "False ReplicaStarting", v1.ConditionReady: "False ReplicaStarting",
				v1.ConditionConfigurationApplied: "False ServersUnreachable",
			},
			wantMessage: map[string]string{
				v1.ConditionReplicating: "pod db-1 does not follow (which failed: no space)",
			},
		},
		"all servers run, and nobody connects to them": {
			spec:  three,
			world: func(o *observation) { o.connects = false },
			want:  map[string]string{v1.ConditionReplicating: "Unknown NotLookedAfter"},
			wantMessage: map[string]string{
				v1.ConditionReplicating:          messageNotConnected,
				v1.ConditionConfigurationApplied: "the children are as the spec asks; " + messageNotConnected,
			},
		},
		"stopped": {
			spec: func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerStopped },
			want: map[string]string{v1.ConditionReady: "False Stopped", v1.ConditionAvailable: "False Stopped"},
		},
		"stopping": {
			spec: func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerStopped },
			world: func(o *observation) {
				o.statefulSet.Status.Replicas, o.statefulSet.Status.ReadyReplicas = 1, 1
				o.pods[0] = newPod(newInstance(), 0, true)
			},
			want: map[string]string{
				v1.ConditionReady: "False Scaling", v1.ConditionProgressing: "True Scaling",
				v1.ConditionConfigurationApplied: "False Scaling",
			},
		},
		"the primary goes down while it is being deleted": {
			world: func(o *observation) {
				o.statefulSet.Status.ReadyReplicas = 0
				o.pods[0].DeletionTimestamp = &metav1.Time{Time: testTime}
			},
			want: map[string]string{
				v1.ConditionReady: "False WaitingForServers", v1.ConditionAvailable: "False PrimaryNotReady",
				v1.ConditionProgressing: "True WaitingForServers", v1.ConditionConfigurationApplied: "False WaitingForServers",
			},
			wantMessage: map[string]string{v1.ConditionAvailable: "pod db-0 is being deleted"},
		},
		"blocked while the servers run": {
			world: func(o *observation) { o.blocked = &blocked{reason: ReasonSecretNotFound, message: "no Secret"} },
			want: map[string]string{
				v1.ConditionReady: "False SecretNotFound", v1.ConditionProgressing: "False SecretNotFound",
				v1.ConditionConfigurationApplied: "False SecretNotFound",
			},
			wantMessage: map[string]string{v1.ConditionReady: "no Secret"},
		},
		"waiting for the window": {
			world: func(o *observation) { o.plan.held, o.plan.opens = []string{"spec.resources"}, testTime },
			want: map[string]string{
				v1.ConditionProgressing:          "False WaitingForMaintenanceWindow",
				v1.ConditionConfigurationApplied: "False WaitingForMaintenanceWindow",
			},
			wantMessage: map[string]string{
				v1.ConditionProgressing: "waiting for the maintenance window that opens at 2026-03-01T12:00:00Z: spec.resources",
			},
		},
		"upgraded automatically": {
			spec:  func(i *v1.MySQLInstance) { i.Spec.MinorUpgradePolicy = v1.MinorUpgradeAutomatic },
			world: func(o *observation) { o.plan.version, o.plan.rollout.Version = "8.4.8", "8.4.8" },
			wantMessage: map[string]string{
				v1.ConditionConfigurationApplied: "every field of the spec is in force; the servers' version is 8.4.8, " +
					"the newest of its series, because spec.minorUpgradePolicy is Automatic",
			},
		},
		"newer than asked for": {
			world: func(o *observation) { o.plan.rollout.Version = "8.4.8" },
			want:  map[string]string{v1.ConditionConfigurationApplied: "False VersionNotAsked"},
		},
		"volumes that are growing": {
			spec: func(i *v1.MySQLInstance) { i.Spec.Storage.VolumeSize = resource.MustParse("20Gi") },
			world: func(o *observation) {
				o.statefulSet.Spec.VolumeClaimTemplates[0].Spec = newClaim(newInstance(), 0, "20Gi").Spec
			},
			want: map[string]string{v1.ConditionReady: "False Resizing", v1.ConditionStorageResized: "False Resizing"},
		},
		"a StatefulSet that is made anew": {
			world: func(o *observation) { o.statefulSet.DeletionTimestamp = &metav1.Time{Time: testTime} },
			want: map[string]string{
				v1.ConditionReady: "False Applying", v1.ConditionProgressing: "True Applying",
				v1.ConditionConfigurationApplied: "False Applying",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			instance := newInstance()
			if test.spec != nil {
				test.spec(instance)
			}
			o := settled(instance)
			if test.world != nil {
				test.world(&o)
			}
			want := map[string]string{}
			for kind, text := range settledWant {
				want[kind] = text
			}
			if *instance.Spec.Replicas == 1 {
				want[v1.ConditionReplicating] = "False NotRequested"
			}
			for kind, text := range test.want {
				want[kind] = text
			}
			conditions := conditionsOf(instance, o)
			got := map[string]string{}
			for _, c := range conditions {
				got[c.Type] = string(c.Status) + " " + c.Reason
				if c.Message == "" {
					t.Errorf("%s has no message", c.Type)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			for kind, message := range test.wantMessage {
				if got := meta.FindStatusCondition(conditions, kind).Message; got != message {
					t.Errorf("%s says %q, want %q", kind, got, message)
				}
			}
		})
	}
}

func TestNotObeyed(t *testing.T) {
	tests := map[string]struct {
		spec  func(*v1.MySQLInstance)
		world func(*observation)
		want  []string
	}{
		"all that is default": {},
		"all that is obeyed": {spec: func(i *v1.MySQLInstance) {
			elaborate(i)
			i.Spec.Replicas = new(int32(1))
		}},
		"settings that a server refuses": {
			world: func(o *observation) { o.servers[0].refused = []string{"max_connections: Error 1231"} },
			want:  []string{"spec.parameters[max_connections]"},
		},
		"a password that nobody knows": {
			world: func(o *observation) { o.servers[0].refusesPasswords = true },
			want:  []string{"spec.credentials"},
		},
		"another password, and nobody connects": {
			world: func(o *observation) { o.rootSecret, o.connects = "new/password/uid", false },
			want:  []string{"spec.credentials"},
		},
		"no volume to compare the password with": {
			world: func(o *observation) { o.primaryRootSecret = "" },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			instance := newInstance()
			if test.spec != nil {
				test.spec(instance)
			}
			o := settled(newInstance())
			if test.world != nil {
				test.world(&o)
			}
			var got []string
			for _, line := range notObeyed(instance, o) {
				field, why, _ := strings.Cut(line, ": ")
				if why == "" {
					t.Errorf("%s: no reason is given", field)
				}
				got = append(got, field)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}
