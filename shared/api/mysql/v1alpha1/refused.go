package v1alpha1

import (
	"encoding/json"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// reasons say, per spec field, what is wrong with a value that conversion had to carry past v1.
var reasons = map[string]func(path *field.Path, value any) *field.Error{
	resources.v1alpha1: func(path *field.Path, value any) *field.Error {
		if value == string(ClassCustom) {
			return field.Invalid(path, value, "stands for resources set through v1, and none are carried in annotation "+
				V1FieldsAnnotation+": choose small, medium or large")
		}
		return field.NotSupported(path, value, []InstanceClass{ClassSmall, ClassMedium, ClassLarge, ClassCustom})
	},
	tlsMode.v1alpha1: func(path *field.Path, value any) *field.Error {
		return field.NotSupported(path, value, []SSLMode{SSLDisabled, SSLPreferred, SSLRequired})
	},
	credentials.v1alpha1: func(path *field.Path, value any) *field.Error {
		return field.Invalid(path, value, "must be the name of a Secret and a key in it: name/key")
	},
	maintenanceWindow.v1alpha1: func(path *field.Path, value any) *field.Error {
		return field.Invalid(path, value, "must be two times of the week, like Sun:03:00-Sun:04:00")
	},
	backupRetentionField: withoutSchedule,
	backupSize.v1alpha1:  withoutSchedule,
}

func withoutSchedule(path *field.Path, _ any) *field.Error {
	return field.Forbidden(path, "may only be set together with backupSchedule")
}

// CarriedPath is the path, in v1, of a v1alpha1 spec field that v1 has no place for.
func CarriedPath(name string) *field.Path {
	return field.NewPath("metadata", "annotations").Key(V1alpha1FieldsAnnotation).Child(name)
}

// Refused returns one error for each spec field whose v1alpha1 value has no place in v1, at its CarriedPath: conversion
// does not fail on such a value, so that validation can report it like any other. An annotation that conversion did not
// write is refused as well.
func Refused(annotations map[string]string) field.ErrorList {
	annotation, found := annotations[V1alpha1FieldsAnnotation]
	if !found {
		return nil
	}
	path := field.NewPath("metadata", "annotations").Key(V1alpha1FieldsAnnotation)
	var carried map[string]any
	if err := json.Unmarshal([]byte(annotation), &carried); err != nil || len(carried) == 0 {
		return field.ErrorList{field.Forbidden(path, "belongs to the conversion between versions: remove it")}
	}
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(carried)) {
		if reason, known := reasons[name]; known {
			errs = append(errs, reason(CarriedPath(name), carried[name]))
			continue
		}
		errs = append(errs, field.Forbidden(path, "belongs to the conversion between versions: remove it"))
	}
	return errs
}
