package subresource

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

var resource = mysql.Resource("mysqlinstances")

// instances are where subresources find the instance that they belong to.
type instances struct {
	store rest.Getter
}

// get returns an instance as the programs that know only v1 want it.
func (i instances) get(ctx context.Context, name string) (*v1.MySQLInstance, error) {
	obj, err := i.store.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	instance := &v1.MySQLInstance{}
	// A copy, since the conversion of the two shares memory and the object may be the watch cache's.
	hub := obj.DeepCopyObject().(*mysql.MySQLInstance)
	return instance, v1.Convert_mysql_MySQLInstance_To_v1_MySQLInstance(hub, instance, nil)
}

// checkName refuses a request whose body names another instance than its path.
func checkName(kind schema.GroupKind, meta *metav1.ObjectMeta, name string) error {
	if meta.Name == "" || meta.Name == name {
		return nil
	}
	return apierrors.NewInvalid(kind, name, field.ErrorList{
		field.Invalid(field.NewPath("metadata", "name"), meta.Name, "must be the instance's name, if given"),
	})
}

// checkMeant refuses a request that was meant for another instance, or for another state of it, than there is: its
// metadata gives the UID or the resourceVersion that the client has seen.
func checkMeant(meant, is *metav1.ObjectMeta) error {
	switch {
	case meant.UID != "" && meant.UID != is.UID:
		return conflict(is.Name, "the UID in the request is %s, and the instance's is %s", meant.UID, is.UID)
	case meant.ResourceVersion != "" && meant.ResourceVersion != is.ResourceVersion:
		return conflict(is.Name, "the instance has changed since resourceVersion %s", meant.ResourceVersion)
	}
	return nil
}

// checkRunning refuses what needs servers, of an instance that has none or soon will have none.
func checkRunning(meta *metav1.ObjectMeta, stopped bool) error {
	switch {
	case meta.DeletionTimestamp != nil:
		return conflict(meta.Name, "the instance is being deleted")
	case stopped:
		return conflict(meta.Name, "the instance is stopped: set spec.powerState to Running first")
	}
	return nil
}

// conflict is 409: nothing is wrong with the request, but the instance is not in a state for it.
func conflict(name, format string, args ...any) error {
	return apierrors.NewConflict(resource, name, fmt.Errorf(format, args...))
}

// relayed is the error of a request that this server made for its caller. It keeps the reason, so that a program can
// tell a pod that is not there from one that has not started, and it says who was refused: a 403 is about the rights of
// the server, not of the caller. A 401 would be taken for the caller's own, and becomes an internal error.
func relayed(doing string, err error) error {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) || apierrors.IsUnauthorized(err) {
		return apierrors.NewInternalError(fmt.Errorf("could not %s: %w", doing, err))
	}
	status := answer.Status()
	status.Message = fmt.Sprintf("could not %s: %s", doing, status.Message)
	return &apierrors.StatusError{ErrStatus: status}
}
