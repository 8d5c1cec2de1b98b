package subresource

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Restart is the restart subresource: POST asks the controller for a rolling restart of the servers. It writes what a
// user of the other form writes by hand, the annotation v1.AnnotationRestartedAt. What it adds is a right of its own
// (create mysqlinstances/restart, without update mysqlinstances), a time that nobody has to type, and refusals.
type Restart struct {
	store rest.Updater
}

var (
	_ rest.Storage                        = &Restart{}
	_ rest.NamedCreater                   = &Restart{}
	_ rest.SubresourceObjectMetaPreserver = &Restart{}
)

// NewRestart returns the subresource of the instances in a store. The store checks an update as any other.
func NewRestart(store rest.Updater) *Restart { return &Restart{store: store} }

// New returns an empty request.
func (*Restart) New() runtime.Object { return &v1.MySQLInstanceRestart{} }

// Destroy does nothing: the main resource owns the storage.
func (*Restart) Destroy() {}

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate keeps the UID in the request, which is a precondition.
func (*Restart) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// Create records the request in the instance.
func (r *Restart) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc,
	options *metav1.CreateOptions) (runtime.Object, error) {
	request := obj.(*v1.MySQLInstanceRestart)
	if err := checkName(v1.SchemeGroupVersion.WithKind("MySQLInstanceRestart").GroupKind(),
		&request.ObjectMeta, name); err != nil {
		return nil, err
	}
	if err := validate(ctx, request.DeepCopyObject()); err != nil {
		return nil, err
	}
	now := metav1.NowMicro()
	annotate := func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		instance := old.DeepCopyObject().(*mysql.MySQLInstance)
		if instance.ResourceVersion == "" { // What the store shows of an object that is not there.
			return nil, apierrors.NewNotFound(resource, name)
		}
		if err := checkMeant(&request.ObjectMeta, &instance.ObjectMeta); err != nil {
			return nil, err
		}
		if err := checkRunning(&instance.ObjectMeta, instance.Spec.PowerState == mysql.PowerStopped); err != nil {
			return nil, err
		}
		metav1.SetMetaDataAnnotation(&instance.ObjectMeta, v1.AnnotationRestartedAt,
			now.UTC().Format(metav1.RFC3339Micro))
		return instance, nil
	}
	// Admission has been asked about the restart, and is not asked about the update as well, just as an eviction is not
	// admitted as a deletion.
	updated, _, err := r.store.Update(ctx, name, rest.DefaultUpdatedObjectInfo(nil, annotate),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false,
		&metav1.UpdateOptions{DryRun: options.DryRun})
	if err != nil {
		return nil, err
	}
	return &v1.MySQLInstanceRestart{
		ObjectMeta: identity(&updated.(*mysql.MySQLInstance).ObjectMeta),
		Status:     v1.MySQLInstanceRestartStatus{RequestedAt: &now},
	}, nil
}

// identity is the metadata of an answer: which instance, and in which state, it is about.
func identity(meta *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: meta.Name, Namespace: meta.Namespace, UID: meta.UID,
		ResourceVersion: meta.ResourceVersion, CreationTimestamp: meta.CreationTimestamp}
}
