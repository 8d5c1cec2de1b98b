// Package validation holds the rules on one MySQLInstance and its older self, once, for both forms: the aggregated
// server's strategy calls it, and so does the crd form's webhook for what a schema and CEL cannot say. It works on the
// hub; InVersion says the same in the version of the request. Rules that need other objects (does the Secret exist?)
// are in shared/admission.
//
// Where a rule is also in the schema (the markers on the v1 types), the two agree about verdict, field and reason; the
// corpus holds them to it and lists the differences that cannot be removed.
package validation

import (
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// ValidateMySQLInstance returns everything that is wrong with a new, defaulted object.
func ValidateMySQLInstance(obj *mysql.MySQLInstance) field.ErrorList {
	return append(validateMetadata(obj), validateContent(obj)...)
}

// ValidateMySQLInstanceUpdate returns everything that is wrong with an object that replaces old: what would be wrong
// with a new object, then the forbidden transitions. As in a CustomResourceDefinition, what was already wrong in old
// and has not changed does not stand in the way: a rule that became stricter must not stop a controller from taking its
// finalizer off.
func ValidateMySQLInstanceUpdate(obj, old *mysql.MySQLInstance) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&obj.ObjectMeta, &old.ObjectMeta, metadataPath)
	errs = append(errs, unlessOld(validateContent(obj), func() field.ErrorList { return validateContent(old) })...)
	return append(errs, validateTransition(&obj.Spec, &old.Spec, specPath)...)
}

// ValidateMySQLInstanceStatusUpdate returns everything that is wrong with a status that replaces old's.
func ValidateMySQLInstanceStatusUpdate(obj, old *mysql.MySQLInstance) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&obj.ObjectMeta, &old.ObjectMeta, metadataPath)
	return append(errs, unlessOld(validateStatus(&obj.Status, statusPath), func() field.ErrorList {
		return validateStatus(&old.Status, statusPath)
	})...)
}

var (
	metadataPath = field.NewPath("metadata")
	specPath     = field.NewPath("spec")
	statusPath   = field.NewPath("status")
)

func validateMetadata(obj *mysql.MySQLInstance) field.ErrorList {
	if obj.Name == "" && obj.GenerateName != "" {
		// A webhook sees the object before its name is generated; the API server checks the name that it makes.
		return nil
	}
	return apivalidation.ValidateObjectMeta(&obj.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, metadataPath)
}

func validateContent(obj *mysql.MySQLInstance) field.ErrorList {
	var errs field.ErrorList
	if _, found := obj.Annotations[v1alpha1.V1FieldsAnnotation]; found {
		errs = append(errs, field.Forbidden(metadataPath.Child("annotations").Key(v1alpha1.V1FieldsAnnotation),
			"belongs on v1alpha1 objects: set the fields themselves"))
	}
	errs = append(errs, v1alpha1.Refused(obj.Annotations)...)
	return append(errs, validateSpec(&obj.Spec, specPath)...)
}

// unlessOld leaves out the errors that the old object has as well: same field, same value, same words.
func unlessOld(errs field.ErrorList, old func() field.ErrorList) field.ErrorList {
	if len(errs) == 0 {
		return nil
	}
	known := map[string]bool{}
	for _, err := range old() {
		known[err.Error()] = true
	}
	var left field.ErrorList
	for _, err := range errs {
		if !known[err.Error()] {
			left = append(left, err)
		}
	}
	return left
}
