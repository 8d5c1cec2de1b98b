package admission

import (
	"context"
	"fmt"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
)

// The annotations that mark the class which the cluster gives to volumes that name none. Kubernetes still obeys the
// older one.
const (
	defaultClassAnnotation     = "storageclass.kubernetes.io/is-default-class"
	betaDefaultClassAnnotation = "storageclass.beta.kubernetes.io/is-default-class"
)

func (v Validator) validateStorage(
	ctx context.Context, spec, before *mysql.MySQLInstanceSpec, path *field.Path,
) field.ErrorList {
	var dataBefore, backupBefore *mysql.Storage
	if before != nil {
		dataBefore = &before.Storage
		if before.Backup != nil {
			backupBefore = &before.Backup.Storage
		}
	}
	errs := v.validateVolume(ctx, &spec.Storage, dataBefore, path.Child("storage"))
	if spec.Backup != nil {
		errs = append(errs, v.validateVolume(ctx, &spec.Backup.Storage, backupBefore, path.Child("backup", "storage"))...)
	}
	return errs
}

// validateVolume asks two things: that a class exists when a request names it, and that a volume which exists already
// may grow when a request makes it larger. A volume that gets another class is a new one, and does not grow.
func (v Validator) validateVolume(
	ctx context.Context, volume, before *mysql.Storage, path *field.Path,
) field.ErrorList {
	name := ptr.Deref(volume.StorageClassName, "")
	sameClass := before != nil && ptr.Deref(before.StorageClassName, "") == name
	grows := sameClass && volume.VolumeSize.Cmp(before.VolumeSize) > 0
	switch {
	case grows:
		return v.validateExpansion(ctx, volume, path)
	case name != "" && !sameClass:
		_, err := v.getStorageClass(ctx, name, path.Child("storageClassName"))
		if err != nil {
			return field.ErrorList{err}
		}
	}
	return nil
}

// validateExpansion says yes only to a class that is there and allows expansion. It refuses when the class is gone, or
// when none is named and the cluster has no default class, because kube-apiserver (its PersistentVolumeClaimResize
// plugin) then refuses to grow the volume claims as well: accepting would promise a size that never comes.
func (v Validator) validateExpansion(ctx context.Context, volume *mysql.Storage, path *field.Path) field.ErrorList {
	var class *storagev1.StorageClass
	if name := ptr.Deref(volume.StorageClassName, ""); name != "" {
		var err *field.Error
		if class, err = v.getStorageClass(ctx, name, path.Child("storageClassName")); err != nil {
			return field.ErrorList{err}
		}
	} else {
		classes, err := v.StorageClasses.ListStorageClasses(ctx)
		if err != nil {
			return field.ErrorList{field.InternalError(path.Child("storageClassName"),
				fmt.Errorf("could not look up the default StorageClass: %w", err))}
		}
		if class = defaultClass(classes); class == nil {
			return field.ErrorList{field.Forbidden(path.Child("size"),
				"may not grow: no StorageClass is named and the cluster has no default one that could allow expansion")}
		}
	}
	if !ptr.Deref(class.AllowVolumeExpansion, false) {
		return field.ErrorList{field.Forbidden(path.Child("size"),
			fmt.Sprintf("may not grow: StorageClass %q does not allow expansion", class.Name))}
	}
	return nil
}

func (v Validator) getStorageClass(
	ctx context.Context, name string, path *field.Path,
) (*storagev1.StorageClass, *field.Error) {
	class, err := v.StorageClasses.GetStorageClass(ctx, name)
	if apierrors.IsNotFound(err) {
		notFound := field.NotFound(path, name)
		notFound.Detail = "there is no such StorageClass"
		return nil, notFound
	}
	if err != nil {
		return nil, field.InternalError(path, fmt.Errorf("could not look up StorageClass %q: %w", name, err))
	}
	return class, nil
}

// defaultClass is the class that Kubernetes gives to a volume claim which names none: of several that are marked as the
// default, the newest, and of several as new, the first by name. nil if none is marked.
func defaultClass(classes []storagev1.StorageClass) *storagev1.StorageClass {
	var found *storagev1.StorageClass
	for i := range classes {
		class := &classes[i]
		if class.Annotations[defaultClassAnnotation] != "true" && class.Annotations[betaDefaultClassAnnotation] != "true" {
			continue
		}
		if found == nil || found.CreationTimestamp.Before(&class.CreationTimestamp) ||
			found.CreationTimestamp.Equal(&class.CreationTimestamp) && class.Name < found.Name {
			found = class
		}
	}
	return found
}
