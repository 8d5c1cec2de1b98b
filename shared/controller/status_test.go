package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

func TestStatusIsReadFromTheWorld(t *testing.T) {
	tests := map[string]struct {
		spec  func(*v1.MySQLInstance)
		world func(*observation)
		check func(*v1.MySQLInstanceStatus) (got, want any)
	}{
		"the version of the servers, not of the spec": {
			world: func(o *observation) { o.pods[0].Spec.Containers[0].Image = "registry.example.com:5000/mysql:8.0.36" },
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.CurrentVersion, "8.0.36" },
		},
		"the oldest version during an update": {
			spec:  func(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(2)) },
			world: func(o *observation) { o.pods[0].Spec.Containers[0].Image = "mysql:8.4.0" },
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.CurrentVersion, "8.4.0" },
		},
		"no version while nothing serves": {
			world: func(o *observation) { o.pods[0] = newPod(newInstance(), 0, false) },
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.CurrentVersion, "" },
		},
		"the primary while it serves": {
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.Primary, "db-0" },
		},
		"no primary while it does not": {
			world: func(o *observation) { o.pods[0] = newPod(newInstance(), 0, false) },
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.Primary, "" },
		},
		"the smallest volume": {
			spec:  func(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(2)) },
			world: func(o *observation) { o.claims[1] = newClaim(newInstance(), 1, "9Gi") },
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.StorageCapacity.String(), "9Gi" },
		},
		"no capacity before a volume has one": {
			world: func(o *observation) { o.claims[0] = newClaim(newInstance(), 0, "") },
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.StorageCapacity, (*resource.Quantity)(nil) },
		},
		"the Service's port, not the spec's": {
			world: func(o *observation) { o.primaryService.Spec.Ports[0].Port = 4406 },
			check: func(s *v1.MySQLInstanceStatus) (any, any) {
				return *s.Endpoint, v1.Endpoint{Host: "db-primary.shop.svc", Port: 4406}
			},
		},
		"no endpoint before the balancer has one": {
			world: func(o *observation) { o.primaryService.Spec.Type = corev1.ServiceTypeLoadBalancer },
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.Endpoint, (*v1.Endpoint)(nil) },
		},
		"the balancer's address": {
			world: func(o *observation) {
				o.primaryService.Spec.Type = corev1.ServiceTypeLoadBalancer
				o.primaryService.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.7"}}
			},
			check: func(s *v1.MySQLInstanceStatus) (any, any) {
				return *s.Endpoint, v1.Endpoint{Host: "192.0.2.7", Port: 3306}
			},
		},
		"the servers that exist": {
			world: func(o *observation) { o.statefulSet.Status.Replicas, o.statefulSet.Status.ReadyReplicas = 5, 4 },
			check: func(s *v1.MySQLInstanceStatus) (any, any) {
				return [2]int32{s.Replicas, s.ReadyReplicas}, [2]int32{5, 4}
			},
		},
		"the generation": {
			spec:  func(i *v1.MySQLInstance) { i.Generation = 7 },
			check: func(s *v1.MySQLInstanceStatus) (any, any) { return s.ObservedGeneration, int64(7) },
		},
		"the selector for the scale subresource": {
			check: func(s *v1.MySQLInstanceStatus) (any, any) {
				return s.Selector, "app.kubernetes.io/instance=db,app.kubernetes.io/managed-by=duet-controller,app.kubernetes.io/name=mysql"
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
			status := statusOf(instance, o, metav1.NewTime(testTime))
			got, want := test.check(&status)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, c := range status.Conditions {
				if c.ObservedGeneration != instance.Generation {
					t.Errorf("%s was observed at %d, want %d", c.Type, c.ObservedGeneration, instance.Generation)
				}
			}
		})
	}
}

// TestMerge holds what lastTransitionTime means, and that foreign conditions stay.
func TestMerge(t *testing.T) {
	early, late := metav1.NewTime(testTime), metav1.NewTime(testTime.Add(time.Hour+123*time.Millisecond))
	instance := newInstance(func(i *v1.MySQLInstance) {
		i.Generation = 4
		i.Status.Conditions = []metav1.Condition{
			{Type: "Foreign", Status: metav1.ConditionTrue, Reason: "Kept", LastTransitionTime: early, ObservedGeneration: 1},
			{Type: "Changed", Status: metav1.ConditionTrue, Reason: "Old", LastTransitionTime: early, ObservedGeneration: 3},
			{Type: "Same", Status: metav1.ConditionTrue, Reason: "Old", LastTransitionTime: early, ObservedGeneration: 3},
		}
	})
	got := merge(instance, []metav1.Condition{
		{Type: "Changed", Status: metav1.ConditionFalse, Reason: "New"},
		{Type: "Same", Status: metav1.ConditionTrue, Reason: "New"},
	}, late)
	want := []metav1.Condition{
		{Type: "Foreign", Status: metav1.ConditionTrue, Reason: "Kept", LastTransitionTime: early, ObservedGeneration: 1},
		{Type: "Changed", Status: metav1.ConditionFalse, Reason: "New", LastTransitionTime: late.Rfc3339Copy(), ObservedGeneration: 4},
		{Type: "Same", Status: metav1.ConditionTrue, Reason: "New", LastTransitionTime: early, ObservedGeneration: 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if instance.Status.Conditions[1].Reason != "Old" {
		t.Error("the instance's own conditions were changed")
	}
}

func TestTransitions(t *testing.T) {
	with := func(kind string, status metav1.ConditionStatus, reason string) []metav1.Condition {
		return []metav1.Condition{{Type: kind, Status: status, Reason: reason, Message: "note"}}
	}
	tests := map[string]struct {
		before, after []metav1.Condition
		want          []string
	}{
		"nothing changed": {
			before: with(v1.ConditionReady, "True", ReasonServing), after: with(v1.ConditionReady, "True", ReasonServing),
		},
		"becomes ready": {
			before: with(v1.ConditionReady, "False", ReasonUpdating), after: with(v1.ConditionReady, "True", ReasonServing),
			want: []string{"Normal Serving"},
		},
		"service is lost": {
			before: with(v1.ConditionAvailable, "True", ReasonPrimaryReady),
			after:  with(v1.ConditionAvailable, "False", ReasonPrimaryNotReady),
			want:   []string{"Warning PrimaryNotReady"},
		},
		"service was not there before": {
			after: with(v1.ConditionAvailable, "False", ReasonPrimaryNotReady),
		},
		"stopped on purpose": {
			before: with(v1.ConditionAvailable, "True", ReasonPrimaryReady), after: with(v1.ConditionAvailable, "False", ReasonStopped),
		},
		"blocked": {
			before: with(v1.ConditionProgressing, "True", ReasonApplying),
			after:  with(v1.ConditionProgressing, "False", ReasonSecretNotFound),
			want:   []string{"Warning SecretNotFound"},
		},
		"blocked by something else": {
			before: with(v1.ConditionProgressing, "False", ReasonSecretNotFound),
			after:  with(v1.ConditionProgressing, "False", ReasonChildNotOwned),
			want:   []string{"Warning ChildNotOwned"},
		},
		"settles": {
			before: with(v1.ConditionProgressing, "True", ReasonApplying), after: with(v1.ConditionProgressing, "False", ReasonSettled),
		},
		"a replica has what the primary has not": {
			before: with(v1.ConditionReplicating, "True", ReasonFollowing),
			after:  with(v1.ConditionReplicating, "False", ReasonReplicaDiverged),
			want:   []string{"Warning ReplicaDiverged"},
		},
		"a replica starts": {
			after: with(v1.ConditionReplicating, "False", ReasonReplicaStarting),
		},
		"fields are not obeyed": {
			after: with(v1.ConditionConfigurationApplied, "False", ReasonFieldsNotObeyed),
			want:  []string{"Warning FieldsNotObeyed"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range transitions(test.before, test.after) {
				got = append(got, e.kind+" "+e.reason)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
