package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	mysqlv1ac "github.com/duet-api/duet/shared/client/applyconfiguration/mysql/v1"
)

// statusOf describes the world after the spec's generation was acted on.
func statusOf(instance *v1.MySQLInstance, o observation, now metav1.Time) v1.MySQLInstanceStatus {
	status := v1.MySQLInstanceStatus{
		Conditions:         merge(instance, conditionsOf(instance, o), now),
		ObservedGeneration: instance.Generation,
		Selector:           selector(instance).String(),
		CurrentVersion:     o.currentVersion(),
		Endpoint:           o.endpoint(),
		StorageCapacity:    o.smallestCapacity(instance),
		LastBackupTime:     o.backups.lastBackupTime(instance),
	}
	if set := o.statefulSet; set != nil {
		status.Replicas = set.Status.Replicas
		status.ReadyReplicas = set.Status.ReadyReplicas
	}
	if primary := o.primary(); primary != nil {
		status.Primary = primary.Name
	}
	return status
}

// deletingStatus keeps what was last seen and says what the deletion waits for.
func deletingStatus(instance *v1.MySQLInstance, message string, now metav1.Time) v1.MySQLInstanceStatus {
	status := *instance.Status.DeepCopy()
	status.ObservedGeneration = instance.Generation
	status.Conditions = merge(instance, []metav1.Condition{
		condition(v1.ConditionReady, false, ReasonDeleting, "the instance is being deleted"),
		condition(v1.ConditionProgressing, true, ReasonDeleting, message),
	}, now)
	return status
}

// merge puts the controller's conditions into those that the instance has; the time of a condition is that of its last
// change of status. Conditions of anybody else are left alone.
func merge(instance *v1.MySQLInstance, conditions []metav1.Condition, now metav1.Time) []metav1.Condition {
	merged := append([]metav1.Condition(nil), instance.Status.Conditions...)
	for _, c := range conditions {
		c.ObservedGeneration = instance.Generation
		// Used only if the status changes. The API keeps whole seconds.
		c.LastTransitionTime = now.Rfc3339Copy()
		meta.SetStatusCondition(&merged, c)
	}
	return merged
}

// writeStatus applies the status if it is not the one that is there, and tells the changes as events.
func (r *Reconciler) writeStatus(ctx context.Context, instance *v1.MySQLInstance, status v1.MySQLInstanceStatus) error {
	if equality.Semantic.DeepEqual(instance.Status, status) {
		return nil
	}
	// What was read of the others' conditions may be older than what is stored, and applying it would put it back.
	sent := status
	sent.Conditions = slices.DeleteFunc(slices.Clone(status.Conditions), func(c metav1.Condition) bool {
		return !slices.Contains(ownConditions, c.Type)
	})
	content, err := json.Marshal(sent)
	if err != nil {
		return fmt.Errorf("could not write the status: %w", err)
	}
	applied := &mysqlv1ac.MySQLInstanceStatusApplyConfiguration{}
	if err := json.Unmarshal(content, applied); err != nil {
		return fmt.Errorf("could not write the status: %w", err)
	}
	// The UID keeps the status off an instance that was deleted and made again in the meantime.
	desired := mysqlv1ac.MySQLInstance(instance.Name, instance.Namespace).WithUID(instance.UID).WithStatus(applied)
	if err := r.Client.Status().Apply(ctx, desired, client.FieldOwner(FieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("could not write the status: %w", err)
	}
	for _, e := range transitions(instance.Status.Conditions, status.Conditions) {
		r.Recorder.Eventf(instance, nil, e.kind, e.reason, e.action, "%s", e.note)
	}
	return nil
}

// event is one message for the instance's owner.
type event struct{ kind, reason, action, note string }

// transitions are the changes of conditions that somebody may want to be told: service won or lost, something in the
// way, fields that are not obeyed. The steps in between are in the conditions themselves.
func transitions(before, after []metav1.Condition) []event {
	var events []event
	for _, kind := range []string{
		v1.ConditionReady, v1.ConditionAvailable, v1.ConditionProgressing, v1.ConditionConfigurationApplied,
		v1.ConditionBackupScheduled, v1.ConditionReplicating,
	} {
		was, is := meta.FindStatusCondition(before, kind), meta.FindStatusCondition(after, kind)
		if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason {
			continue
		}
		switch {
		case kind == v1.ConditionReady && is.Status == metav1.ConditionTrue:
			events = append(events, event{corev1.EventTypeNormal, is.Reason, "Observe", is.Message})
		case kind == v1.ConditionAvailable && is.Status == metav1.ConditionFalse && is.Reason != ReasonStopped &&
			was != nil && was.Status == metav1.ConditionTrue:
			events = append(events, event{corev1.EventTypeWarning, is.Reason, "Observe", is.Message})
		case kind == v1.ConditionProgressing && is.Reason == ReasonWaitingForWindow:
			events = append(events, event{corev1.EventTypeNormal, is.Reason, "Reconcile", is.Message})
		case kind == v1.ConditionProgressing && is.Status == metav1.ConditionFalse && is.Reason != ReasonSettled:
			events = append(events, event{corev1.EventTypeWarning, is.Reason, "Reconcile", is.Message})
		case kind == v1.ConditionReplicating && is.Status == metav1.ConditionFalse &&
			slices.Contains(replicationTrouble, is.Reason):
			events = append(events, event{corev1.EventTypeWarning, is.Reason, "Observe", is.Message})
		case kind == v1.ConditionBackupScheduled && is.Reason == ReasonLastBackupFailed:
			events = append(events, event{corev1.EventTypeWarning, is.Reason, "Observe", is.Message})
		case kind == v1.ConditionConfigurationApplied && is.Reason == ReasonFieldsNotObeyed:
			events = append(events, event{corev1.EventTypeWarning, is.Reason, "Reconcile", is.Message})
		}
	}
	return events
}
