package controller

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const messageNotConnected = "this controller opens no connections to servers (--connect-to-servers=false): " +
	"replication, password changes and live parameters are not looked after"

// replicatingCondition says whether the replicas follow the primary.
func replicatingCondition(instance *v1.MySQLInstance, o observation) metav1.Condition {
	switch {
	case *instance.Spec.Replicas == 1:
		return condition(v1.ConditionReplicating, false, ReasonNotRequested, "spec.replicas is 1: there is no replica")
	case instance.Spec.PowerState == v1.PowerStopped:
		return condition(v1.ConditionReplicating, false, ReasonStopped, "spec.powerState is Stopped")
	case !o.connects:
		c := condition(v1.ConditionReplicating, false, ReasonNotLookedAfter, messageNotConnected)
		c.Status = metav1.ConditionUnknown
		return c
	}
	return condition(v1.ConditionReplicating, false, ReasonNotReplicating,
		"every server runs, but those beside the primary do not follow it")
}
