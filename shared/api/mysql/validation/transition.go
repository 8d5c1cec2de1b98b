package validation

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/release"
)

// validateTransition compares a spec with the one it replaces.
func validateTransition(spec, old *mysql.MySQLInstanceSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	version, err := release.Parse(spec.Version)
	oldVersion, oldErr := release.Parse(old.Version)
	if err == nil && oldErr == nil { // else create validation, or an earlier one, had its say
		if err := version.UpgradeFrom(oldVersion); err != nil {
			errs = append(errs, field.Invalid(path.Child("version"), spec.Version, err.Error()))
		}
	}
	storage := path.Child("storage")
	size, oldSize := spec.Storage.VolumeSize, old.Storage.VolumeSize
	if size.Cmp(oldSize) < 0 {
		errs = append(errs, field.Invalid(storage.Child("size"), printed(size), "may only grow"))
	}
	if !ptr.Equal(spec.Storage.StorageClassName, old.Storage.StorageClassName) {
		errs = append(errs, field.Invalid(storage.Child("storageClassName"), ptr.Deref(spec.Storage.StorageClassName, ""),
			"is set at creation or never"))
	}
	return errs
}
