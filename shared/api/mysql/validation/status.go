package validation

import (
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/duet-api/duet/shared/api/mysql"
)

const (
	maxConditions = 32
	maxSelector   = 1024
	maxRunning    = 64
)

func validateStatus(status *mysql.MySQLInstanceStatus, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(status.Conditions) > maxConditions {
		errs = append(errs, field.TooMany(path.Child("conditions"), len(status.Conditions), maxConditions))
	}
	errs = append(errs, metav1validation.ValidateConditions(status.Conditions, path.Child("conditions"))...)
	errs = append(errs, notNegative(status.ObservedGeneration, path.Child("observedGeneration"))...)
	errs = append(errs, notNegative(int64(status.Replicas), path.Child("replicas"))...)
	errs = append(errs, notNegative(int64(status.ReadyReplicas), path.Child("readyReplicas"))...)
	errs = append(errs, bounded(status.Selector, maxSelector, path.Child("selector"))...)
	errs = append(errs, bounded(status.CurrentVersion, maxRunning, path.Child("currentVersion"))...)
	errs = append(errs, bounded(status.Primary, maxName, path.Child("primary"))...)
	if endpoint := status.Endpoint; endpoint != nil {
		errs = append(errs, required(endpoint.Host, maxName, path.Child("endpoint", "host"))...)
		errs = append(errs, between(&endpoint.Port, 1, maxPort, path.Child("endpoint", "port"))...)
	}
	return errs
}

func notNegative(number int64, path *field.Path) field.ErrorList {
	if number >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, number, "must not be negative")}
}
