package validation

import (
	"strings"

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/release"
)

// The bounds and patterns are the ones of the markers on the v1 types.
const (
	maxName          = 253
	maxVersion       = 16
	maxSchedule      = 128
	maxReplicas      = 9
	maxPort          = 65535
	maxRetentionDays = 365
	minWindowMinutes = 30
	maxWindowMinutes = 1440
)

var minimumSize = resource.MustParse("1Gi")

func validateSpec(spec *mysql.MySQLInstanceSpec, path *field.Path) field.ErrorList {
	errs := validateVersion(spec.Version, path.Child("version"))
	errs = append(errs, between(spec.Replicas, 1, maxReplicas, path.Child("replicas"))...)
	errs = append(errs, validateResources(&spec.Resources, path.Child("resources"))...)
	errs = append(errs, validateStorage(&spec.Storage, path.Child("storage"))...)
	if spec.Credentials != nil {
		errs = append(errs, validateSecretKey(&spec.Credentials.RootSecretRef, path.Child("credentials", "rootSecretRef"))...)
	}
	errs = append(errs, validateParameters(spec, path.Child("parameters"))...)
	errs = append(errs, validateTLS(&spec.TLS, path.Child("tls"))...)
	errs = append(errs, validateService(&spec.Service, path.Child("service"))...)
	if spec.Backup != nil {
		errs = append(errs, validateBackup(spec.Backup, path.Child("backup"))...)
	}
	if spec.MaintenanceWindow != nil {
		errs = append(errs, validateWindow(spec.MaintenanceWindow, path.Child("maintenanceWindow"))...)
	}
	errs = append(errs, oneOf(spec.MinorUpgradePolicy, path.Child("minorUpgradePolicy"),
		mysql.MinorUpgradeManual, mysql.MinorUpgradeAutomatic)...)
	errs = append(errs, oneOf(spec.DeletionPolicy, path.Child("deletionPolicy"),
		mysql.DeletionDelete, mysql.DeletionRetain)...)
	errs = append(errs, oneOf(spec.PowerState, path.Child("powerState"), mysql.PowerRunning, mysql.PowerStopped)...)
	return errs
}

func validateVersion(version string, path *field.Path) field.ErrorList {
	if errs := required(version, maxVersion, path); len(errs) > 0 {
		return errs
	}
	if _, err := release.Parse(version); err != nil {
		return field.ErrorList{field.Invalid(path, version, err.Error())}
	}
	return nil
}

func validateResources(resources *mysql.Resources, path *field.Path) field.ErrorList {
	errs := positive(resources.CPU, path.Child("cpu"))
	return append(errs, positive(resources.Memory, path.Child("memory"))...)
}

func positive(quantity *resource.Quantity, path *field.Path) field.ErrorList {
	if quantity == nil || quantity.Sign() > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, printed(*quantity), "must be greater than zero")}
}

func validateStorage(storage *mysql.Storage, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	size := storage.VolumeSize
	switch {
	case size.Format == "" && size.IsZero():
		errs = append(errs, field.Required(path.Child("size"), ""))
	case size.Cmp(minimumSize) < 0:
		errs = append(errs, field.Invalid(path.Child("size"), printed(size), "must be at least 1Gi"))
	}
	return append(errs, optionalName(storage.StorageClassName, path.Child("storageClassName"))...)
}

func validateSecretKey(ref *mysql.SecretKeyReference, path *field.Path) field.ErrorList {
	errs := objectName(ref.Name, path.Child("name"))
	if missing := required(ref.Key, maxName, path.Child("key")); len(missing) > 0 {
		return append(errs, missing...)
	}
	for _, message := range utilvalidation.IsConfigMapKey(ref.Key) {
		errs = append(errs, field.Invalid(path.Child("key"), ref.Key, message))
	}
	return errs
}

func validateTLS(tls *mysql.TLS, path *field.Path) field.ErrorList {
	errs := oneOf(tls.Mode, path.Child("mode"), mysql.TLSDisabled, mysql.TLSPreferred, mysql.TLSRequired)
	errs = append(errs, optionalName(tls.SecretName, path.Child("secretName"))...)
	if tls.Mode == mysql.TLSRequired && tls.SecretName == nil {
		errs = append(errs, field.Required(path.Child("secretName"), "is required with mode Required"))
	}
	return errs
}

func validateService(service *mysql.Service, path *field.Path) field.ErrorList {
	errs := oneOf(service.Type, path.Child("type"),
		mysql.ServiceClusterIP, mysql.ServiceNodePort, mysql.ServiceLoadBalancer)
	return append(errs, between(service.Port, 1, maxPort, path.Child("port"))...)
}

func validateBackup(backup *mysql.Backup, path *field.Path) field.ErrorList {
	errs := validateSchedule(backup.Schedule, path.Child("schedule"))
	errs = append(errs, between(backup.RetentionDays, 1, maxRetentionDays, path.Child("retentionDays"))...)
	return append(errs, validateStorage(&backup.Storage, path.Child("storage"))...)
}

// validateSchedule asks the parser that CronJobs use, and refuses a time zone as CronJobs do: the field is in UTC.
func validateSchedule(schedule string, path *field.Path) field.ErrorList {
	if errs := required(schedule, maxSchedule, path); len(errs) > 0 {
		return errs
	}
	if strings.Contains(schedule, "TZ") {
		return field.ErrorList{field.Invalid(path, schedule, "may not have a time zone: the schedule is in UTC")}
	}
	if err := parseCron(schedule); err != "" {
		return field.ErrorList{field.Invalid(path, schedule, "must be a cron schedule: "+err)}
	}
	return nil
}

// parseCron returns what is wrong with a schedule.
func parseCron(schedule string) (problem string) {
	if _, err := cron.ParseStandard(schedule); err != nil {
		return err.Error()
	}
	return ""
}

func validateWindow(window *mysql.MaintenanceWindow, path *field.Path) field.ErrorList {
	errs := oneOf(window.Day, path.Child("day"),
		"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
	if missing := required(window.StartTime, len("15:04"), path.Child("startTime")); len(missing) > 0 {
		errs = append(errs, missing...)
	} else if !startTime.MatchString(window.StartTime) {
		errs = append(errs, field.Invalid(path.Child("startTime"), window.StartTime, "must be HH:MM, from 00:00 to 23:59"))
	}
	return append(errs,
		between(window.DurationMinutes, minWindowMinutes, maxWindowMinutes, path.Child("durationMinutes"))...)
}

func optionalName(name *string, path *field.Path) field.ErrorList {
	if name == nil {
		return nil
	}
	if *name == "" {
		return field.ErrorList{field.Invalid(path, *name, "must not be empty: leave it out")}
	}
	return objectName(*name, path)
}

func objectName(name string, path *field.Path) field.ErrorList {
	errs := required(name, maxName, path)
	if len(errs) > 0 {
		return errs
	}
	for _, message := range apivalidation.NameIsDNSSubdomain(name, false) {
		errs = append(errs, field.Invalid(path, name, message))
	}
	return errs
}
