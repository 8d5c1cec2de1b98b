package storage

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// replicasPaths says where each version keeps what spec.replicas of a Scale stands for, so that server-side apply
// through the scale subresource and through the main resource see each other's ownership. v1alpha1 has no scale.
var replicasPaths = managedfields.ResourcePathMappings{
	v1.SchemeGroupVersion.String():       fieldpath.MakePathOrDie("spec", "replicas"),
	v1alpha1.SchemeGroupVersion.String(): nil,
}

// ScaleREST is the scale subresource: what `kubectl scale` and a HorizontalPodAutoscaler use.
type ScaleREST struct {
	store *genericregistry.Store
}

var (
	_ rest.Patcher                  = &ScaleREST{}
	_ rest.GroupVersionKindProvider = &ScaleREST{}
	_ rest.TableConvertor           = &ScaleREST{}
)

// GroupVersionKind is autoscaling/v1 Scale, whatever group serves it.
func (*ScaleREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// New returns an empty Scale.
func (*ScaleREST) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy does nothing: the main resource owns the storage.
func (*ScaleREST) Destroy() {}

// Get returns the Scale of an instance.
func (r *ScaleREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	obj, err := r.store.Get(ctx, name, options)
	if err != nil {
		return nil, err
	}
	return scaleOf(obj.(*mysql.MySQLInstance)), nil
}

// Update changes the number of servers. It never creates.
func (r *ScaleREST) Update(ctx context.Context, name string, objInfo rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc, updateValidation rest.ValidateObjectUpdateFunc,
	_ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	obj, _, err := r.store.Update(ctx, name, scaleUpdate{objInfo},
		func(ctx context.Context, obj runtime.Object) error {
			return createValidation(ctx, scaleOf(obj.(*mysql.MySQLInstance)))
		},
		// Admission was asked about a Scale, so it is shown Scales.
		func(ctx context.Context, obj, old runtime.Object) error {
			return updateValidation(ctx, scaleOf(obj.(*mysql.MySQLInstance)), scaleOf(old.(*mysql.MySQLInstance)))
		},
		false, options)
	if err != nil {
		return nil, false, err
	}
	return scaleOf(obj.(*mysql.MySQLInstance)), false, nil
}

// ConvertToTable makes a table of a Scale: its name and when it was created.
func (r *ScaleREST) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return rest.NewDefaultTableConvertor(r.store.DefaultQualifiedResource).ConvertToTable(ctx, obj, options)
}

func scaleOf(instance *mysql.MySQLInstance) *autoscalingv1.Scale {
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name:              instance.Name,
			Namespace:         instance.Namespace,
			UID:               instance.UID,
			ResourceVersion:   instance.ResourceVersion,
			CreationTimestamp: instance.CreationTimestamp,
		},
		Spec:   autoscalingv1.ScaleSpec{Replicas: ptr.Deref(instance.Spec.Replicas, 0)},
		Status: autoscalingv1.ScaleStatus{Replicas: instance.Status.Replicas, Selector: instance.Status.Selector},
	}
}

// scaleUpdate turns a change of a Scale into a change of its instance, the ownership of fields included.
type scaleUpdate struct {
	rest.UpdatedObjectInfo
}

// UpdatedObject applies the client's change to the Scale of the stored instance and takes the result over.
func (u scaleUpdate) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	instance := old.DeepCopyObject().(*mysql.MySQLInstance)
	owners := managedfields.NewScaleHandler(instance.ManagedFields, v1.SchemeGroupVersion, replicasPaths)

	was := scaleOf(instance)
	var err error
	if was.ManagedFields, err = owners.ToSubresource(); err != nil {
		return nil, err
	}
	obj, err := u.UpdatedObjectInfo.UpdatedObject(ctx, was)
	if err != nil {
		return nil, err
	}
	scale, ok := obj.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a Scale, got %T", obj))
	}

	instance.Spec.Replicas = ptr.To(scale.Spec.Replicas)
	if scale.ResourceVersion != "" { // The client's precondition; the store compares it.
		instance.ResourceVersion = scale.ResourceVersion
	}
	if instance.ManagedFields, err = owners.ToParent(scale.ManagedFields); err != nil {
		return nil, err
	}
	return instance, nil
}
