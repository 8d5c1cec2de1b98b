package controller

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Reasons in the conditions.
const (
	// The children wait for something that the controller cannot bring about.
	ReasonInvalidSpec                 = "InvalidSpec"
	ReasonSecretNotFound              = "SecretNotFound"
	ReasonSecretKeyNotFound           = "SecretKeyNotFound"
	ReasonChildNotOwned               = "ChildNotOwned"
	ReasonChildRefused                = "ChildRefused"
	ReasonWaitingForGarbageCollection = "WaitingForGarbageCollection"

	// The world is on its way.
	ReasonApplying          = "Applying"
	ReasonScaling           = "Scaling"
	ReasonUpdating          = "Updating"
	ReasonWaitingForServers = "WaitingForServers"
	ReasonDeleting          = "Deleting"

	// It will be, at a time that the spec names.
	ReasonWaitingForWindow = "WaitingForMaintenanceWindow"

	// It has arrived, or it will not without a change of the spec.
	ReasonSettled          = "Settled"
	ReasonServing          = "Serving"
	ReasonStopped          = "Stopped"
	ReasonPrimaryReady     = "PrimaryReady"
	ReasonPrimaryNotReady  = "PrimaryNotReady"
	ReasonNotRequested     = "NotRequested"
	ReasonNotLookedAfter   = "NotLookedAfter"
	ReasonApplied          = "Applied"
	ReasonFieldsNotObeyed  = "FieldsNotObeyed"
	ReasonVersionNotAsked  = "VersionNotAsked"
	ReasonSizeReached      = "SizeReached"
	ReasonVolumesPending   = "VolumesPending"
	ReasonNoVolumes        = "NoVolumes"
	ReasonResizing         = "Resizing"
	ReasonExpansionRefused = "ExpansionRefused"
)

// ownConditions are the types of all conditions that the controller writes.
var ownConditions = []string{
	v1.ConditionReady, v1.ConditionAvailable, v1.ConditionProgressing, v1.ConditionStorageResized, v1.ConditionReplicating,
	v1.ConditionConfigurationApplied, v1.ConditionBackupScheduled,
}

// conditionsOf says how the world compares with the spec. Times and generations are the caller's.
func conditionsOf(instance *v1.MySQLInstance, o observation) []metav1.Condition {
	progressing := progressingCondition(instance, o)
	available := availableCondition(instance, o)
	resized := resizedCondition(instance, o)
	replicating := replicatingCondition(instance, o)
	return []metav1.Condition{
		readyCondition(instance, o, progressing, available, resized, replicating),
		available,
		progressing,
		resized,
		replicating,
		configurationCondition(instance, o, progressing),
		backupCondition(instance, o),
	}
}

func condition(kind string, ok bool, reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if ok {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

// readyCondition sums up the others, and names the first thing that is missing.
func readyCondition(
	instance *v1.MySQLInstance, o observation, progressing, available, resized, replicating metav1.Condition,
) metav1.Condition {
	not := func(c metav1.Condition) metav1.Condition {
		return condition(v1.ConditionReady, false, c.Reason, c.Message)
	}
	switch {
	case o.blocked != nil, progressing.Status == metav1.ConditionTrue:
		return not(progressing)
	case available.Status != metav1.ConditionTrue:
		return not(available)
	case resized.Status != metav1.ConditionTrue:
		return not(resized)
	case o.connects && *instance.Spec.Replicas > 1 && replicating.Status != metav1.ConditionTrue:
		return not(replicating)
	}
	return condition(v1.ConditionReady, true, ReasonServing, "every server asked for serves")
}

func availableCondition(instance *v1.MySQLInstance, o observation) metav1.Condition {
	switch {
	case o.primary() != nil:
		return condition(v1.ConditionAvailable, true, ReasonPrimaryReady,
			fmt.Sprintf("the primary, pod %s, accepts clients", o.primary().Name))
	case instance.Spec.PowerState == v1.PowerStopped:
		return condition(v1.ConditionAvailable, false, ReasonStopped, "spec.powerState is Stopped")
	}
	return condition(v1.ConditionAvailable, false, ReasonPrimaryNotReady, o.trouble(instance, 0))
}

func progressingCondition(instance *v1.MySQLInstance, o observation) metav1.Condition {
	wanted := wantedServers(instance)
	set := o.statefulSet
	moving := func(reason, message string) metav1.Condition {
		return condition(v1.ConditionProgressing, true, reason, message)
	}
	switch {
	case o.blocked != nil:
		return condition(v1.ConditionProgressing, false, o.blocked.reason, o.blocked.message)
	case set != nil && set.DeletionTimestamp != nil:
		return moving(ReasonApplying, fmt.Sprintf("StatefulSet %s is being deleted, and is made anew after that", set.Name))
	case o.writing || set == nil:
		return moving(ReasonApplying, "the children are being written")
	case set.Status.ObservedGeneration < set.Generation:
		return moving(ReasonUpdating, fmt.Sprintf("StatefulSet %s was changed and is not acted on yet", set.Name))
	case set.Status.Replicas != wanted:
		return moving(ReasonScaling, fmt.Sprintf("%d servers exist, %d are wanted", set.Status.Replicas, wanted))
	case o.updated() < len(o.pods):
		message := fmt.Sprintf("%d of %d servers are up to date", o.updated(), wanted)
		if from, to := o.currentVersion(), o.plan.rollout.Version; from != "" && from != to {
			message += fmt.Sprintf(": version %s to %s", from, to)
		}
		return moving(ReasonUpdating, message)
	case set.Status.ReadyReplicas < wanted:
		message := fmt.Sprintf("%d of %d servers are ready", set.Status.ReadyReplicas, wanted)
		for ordinal := range int(wanted) {
			if pod := o.pods[ordinal]; pod == nil || !serves(pod) {
				message += ": " + o.trouble(instance, ordinal)
				break
			}
		}
		return moving(ReasonWaitingForServers, message)
	case o.plan.waiting() != "":
		return condition(v1.ConditionProgressing, false, ReasonWaitingForWindow, o.plan.waiting())
	}
	return condition(v1.ConditionProgressing, false, ReasonSettled, "nothing is left to change")
}

func configurationCondition(instance *v1.MySQLInstance, o observation, progressing metav1.Condition) metav1.Condition {
	not := func(reason, message string) metav1.Condition {
		return condition(v1.ConditionConfigurationApplied, false, reason, message)
	}
	if o.blocked != nil {
		return not(o.blocked.reason, o.blocked.message)
	}
	if list := notObeyed(instance, o); len(list) > 0 {
		return not(ReasonFieldsNotObeyed, strings.Join(list, "; "))
	}
	if waiting := o.plan.waiting(); waiting != "" {
		return not(ReasonWaitingForWindow, waiting)
	}
	if progressing.Status == metav1.ConditionTrue {
		return not(progressing.Reason, progressing.Message)
	}
	if missed := unreached(o); missed != "" {
		return not(ReasonServersUnreachable, missed)
	}
	note, asAsked := o.plan.versionNote(instance)
	if !asAsked {
		return not(ReasonVersionNotAsked, note)
	}
	message := "every field of the spec is in force"
	if !o.connects {
		message = "the children are as the spec asks; " + messageNotConnected
	}
	if note != "" {
		message += "; " + note
	}
	return condition(v1.ConditionConfigurationApplied, true, ReasonApplied, message)
}
