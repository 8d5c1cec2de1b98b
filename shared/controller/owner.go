package controller

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// ownerReference makes a child the instance's: the garbage collector deletes it with its owner, and no other
// controller takes it.
func ownerReference(instance *v1.MySQLInstance) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(v1.SchemeGroupVersion.String()).
		WithKind("MySQLInstance").
		WithName(instance.Name).
		WithUID(instance.UID).
		WithController(true).
		WithBlockOwnerDeletion(true)
}

// isOwn says whether an object that bears a child's name is the instance's.
func isOwn(instance *v1.MySQLInstance, kind string, live metav1.Object) bool {
	return checkOwnership(instance, kind, live) == nil
}

// checkOwnership refuses an object that bears a child's name and is not the instance's. Force in a server-side apply
// would otherwise take over whatever happens to have that name. An object without a controller is the instance's if it
// carries its labels: that is what a retained Secret looks like to the next instance of that name.
func checkOwnership(instance *v1.MySQLInstance, kind string, live metav1.Object) error {
	owner := metav1.GetControllerOf(live)
	switch {
	case owner != nil && owner.UID == instance.UID:
		return nil
	case owner != nil && owner.Kind == "MySQLInstance" && owner.Name == instance.Name:
		return &blocked{reason: ReasonWaitingForGarbageCollection, message: fmt.Sprintf(
			"%s %s belongs to an earlier instance of this name and is not deleted yet", kind, live.GetName())}
	case owner != nil:
		return &blocked{reason: ReasonChildNotOwned, message: fmt.Sprintf(
			"%s %s exists and belongs to %s %s: delete it, or give the instance another name",
			kind, live.GetName(), owner.Kind, owner.Name)}
	case live.GetLabels()[LabelManagedBy] == FieldManager && live.GetLabels()[labelInstance] == namesOf(instance).base:
		return nil
	}
	return &blocked{reason: ReasonChildNotOwned, message: fmt.Sprintf(
		"%s %s exists and is not the controller's: delete it, or give the instance another name", kind, live.GetName())}
}
