package controller

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Reasons of the condition Replicating, and of others for the same cause.
const (
	ReasonFollowing          = "Following"
	ReasonReplicaStarting    = "ReplicaStarting"
	ReasonReplicaLagging     = "ReplicaLagging"
	ReasonReplicaBroken      = "ReplicaBroken"
	ReasonReplicaRebuilding  = "ReplicaRebuilding"
	ReasonReplicaDiverged    = "ReplicaDiverged"
	ReasonPrimaryLostData    = "PrimaryLostData"
	ReasonServersUnreachable = "ServersUnreachable"
)

// severity is the order in which the reasons of several replicas become the reason of the condition.
var severity = []string{
	ReasonPrimaryLostData, ReasonReplicaDiverged, ReasonReplicaBroken, ReasonReplicaRebuilding, ReasonServersUnreachable,
	ReasonWaitingForServers, ReasonReplicaStarting, ReasonReplicaLagging,
}

// replicationTrouble are the reasons that somebody may want to be told of; the others come and go.
var replicationTrouble = []string{
	ReasonPrimaryLostData, ReasonReplicaDiverged, ReasonReplicaBroken, ReasonReplicaRebuilding, ReasonReplicaLagging,
}

const messageNotConnected = "this controller opens no connections to servers (--connect-to-servers=false): " +
	"replication, password changes and live parameters are not looked after"

// replicatingCondition says whether the replicas follow the primary.
func replicatingCondition(instance *v1.MySQLInstance, o observation) metav1.Condition {
	unknown := func(reason, message string) metav1.Condition {
		c := condition(v1.ConditionReplicating, false, reason, message)
		c.Status = metav1.ConditionUnknown
		return c
	}
	switch {
	case *instance.Spec.Replicas == 1:
		return condition(v1.ConditionReplicating, false, ReasonNotRequested, "spec.replicas is 1: there is no replica")
	case instance.Spec.PowerState == v1.PowerStopped:
		return condition(v1.ConditionReplicating, false, ReasonStopped, "spec.powerState is Stopped")
	case !o.connects:
		return unknown(ReasonNotLookedAfter, messageNotConnected)
	case o.blocked != nil:
		return unknown(o.blocked.reason, o.blocked.message)
	case o.servers == nil:
		return unknown(ReasonApplying, "the children are being written")
	}
	if primary := o.servers[0]; primary == nil || primary.session == nil || primary.failed != nil {
		return unknown(primary.trouble(podName(instance, 0)))
	}
	var reasons, messages []string
	for ordinal := 1; ordinal < int(*instance.Spec.Replicas); ordinal++ {
		reason, message := o.servers[ordinal].trouble(podName(instance, ordinal))
		if reason != "" {
			reasons, messages = append(reasons, reason), append(messages, message)
		}
	}
	for _, reason := range severity {
		if slices.Contains(reasons, reason) {
			return condition(v1.ConditionReplicating, false, reason, strings.Join(messages, "; "))
		}
	}
	replicas := *instance.Spec.Replicas - 1
	return condition(v1.ConditionReplicating, true, ReasonFollowing,
		fmt.Sprintf("%d of %d replicas follow pod %s", replicas, replicas, podName(instance, 0)))
}

// trouble is what is wrong with a server; empty if nothing is. A server that was not looked at is nil.
func (s *server) trouble(pod string) (reason, message string) {
	switch {
	case s == nil:
		return ReasonWaitingForServers, fmt.Sprintf("pod %s does not run", pod)
	case s.judged && s.verdict.reason != "":
		message = fmt.Sprintf("pod %s %s", pod, s.verdict.message)
		if s.failed != nil {
			message += fmt.Sprintf(" (which failed: %s)", withoutPorts(s.failed))
		}
		return s.verdict.reason, message
	case s.unreachable != "":
		return ReasonServersUnreachable, fmt.Sprintf("pod %s could not be reached: %s", pod, s.unreachable)
	case s.failed != nil:
		return ReasonServersUnreachable, fmt.Sprintf("pod %s could not be looked after: %s", pod, withoutPorts(s.failed))
	}
	return "", ""
}

// refusedByServers are the fields that running servers do not take up, as notObeyed lists them.
func refusedByServers(o observation) []string {
	var list []string
	for _, s := range o.inOrder() {
		if s.refusesPasswords {
			list = append(list, fmt.Sprintf("spec.credentials: pod %s accepts neither this root password nor any that the "+
				"controller remembers: put the one that it has into the Secret", s.pod.Name))
		}
		for _, setting := range s.refused {
			name, why, _ := strings.Cut(setting, ": ")
			list = append(list, fmt.Sprintf("spec.parameters[%s]: pod %s: %s", name, s.pod.Name, why))
		}
	}
	return list
}

// unreached says which servers serve, but could not be looked after; empty if there is none. Whether they have what the
// spec asks for is not known.
func unreached(o observation) string {
	var messages []string
	for _, s := range o.inOrder() {
		if s.session == nil || s.failed != nil {
			if _, message := s.trouble(s.pod.Name); message != "" {
				messages = append(messages, message)
			}
		}
	}
	return strings.Join(messages, "; ")
}

func (o observation) inOrder() []*server {
	var servers []*server
	for _, s := range o.servers {
		servers = append(servers, s)
	}
	slices.SortFunc(servers, func(a, b *server) int { return a.ordinal - b.ordinal })
	return servers
}
