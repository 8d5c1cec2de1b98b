package validation

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// InVersion says errors about the hub in the words of the request's version, with the path and the value that its
// author wrote. Versions other than v1alpha1 are spelled as the hub is.
func InVersion(errs field.ErrorList, version string) field.ErrorList {
	if version != v1alpha1.SchemeGroupVersion.Version {
		return errs
	}
	var said field.ErrorList
	for _, err := range errs {
		said = append(said, inV1alpha1(*err))
	}
	return said
}

// A wording is how v1alpha1 says an error about one v1 field.
type wording struct {
	field  string
	value  func(any) any
	detail map[string]string
}

const (
	carriedFields = "metadata.annotations[" + v1alpha1.V1FieldsAnnotation + "]"
	carriedPast   = "metadata.annotations[" + v1alpha1.V1alpha1FieldsAnnotation + "]."
)

// wordings has an entry for each field of v1 that v1alpha1 says differently; a field below one without an entry of its
// own is said as that one. What v1alpha1 has no field for can only have come in the annotation.
var wordings = map[string]wording{
	"spec.version": {field: "spec.engineVersion"},
	"spec.replicas": {field: "spec.readReplicas", value: oneLess,
		detail: map[string]string{
			fmt.Sprintf("must be between 1 and %d", maxReplicas): fmt.Sprintf("must be between 0 and %d", maxReplicas-1),
		}},
	"spec.resources":                {field: "spec.instanceClass"},
	"spec.storage":                  {field: "spec.storageGB"},
	"spec.storage.size":             {field: "spec.storageGB", value: gibibytes, detail: atLeastOne},
	"spec.storage.storageClassName": {field: "spec.storageClass"},
	"spec.credentials":              {field: "spec.rootPasswordSecret"},
	"spec.parameters":               {field: "spec.config"},
	"spec.tls":                      {field: "spec.sslMode"},
	"spec.tls.secretName": {field: "spec.sslSecret",
		detail: map[string]string{"is required with mode Required": "is required with sslMode REQUIRED"}},
	"spec.service":                         {field: "spec.port"},
	"spec.service.type":                    {field: "spec.publicAccess"},
	"spec.backup":                          {field: "spec.backupSchedule"},
	"spec.backup.retentionDays":            {field: "spec.backupRetentionDays"},
	"spec.backup.storage":                  {field: "spec.backupStorageGB"},
	"spec.backup.storage.size":             {field: "spec.backupStorageGB", value: gibibytes, detail: atLeastOne},
	"spec.backup.storage.storageClassName": {field: carriedFields},
	"spec.maintenanceWindow":               {field: "spec.maintenanceWindow"},
	"spec.minorUpgradePolicy":              {field: "spec.autoMinorVersionUpgrade"},
	"spec.deletionPolicy":                  {field: "spec.deletionProtection"},
	"spec.powerState":                      {field: "spec.paused"},
	"status.conditions":                    {field: carriedFields},
	"status.selector":                      {field: carriedFields},
	"status.primary":                       {field: carriedFields},
	"status.endpoint":                      {field: "status.address"},
	"status.storageCapacity":               {field: carriedFields},
	"status.lastBackupTime":                {field: carriedFields},
}

var atLeastOne = map[string]string{"must be at least 1Gi": "must be at least 1"}

func inV1alpha1(err field.Error) *field.Error {
	if text, ok := err.BadValue.(parameterText); ok {
		err.Field = "spec.config[" + text.parameter + "]"
		err.BadValue = text.text
		return &err
	}
	if name, ok := strings.CutPrefix(err.Field, carriedPast); ok {
		err.Field = "spec." + name
		return &err
	}
	path := index.ReplaceAllString(err.Field, "")
	for ; path != ""; path = parent(path) {
		said, found := wordings[path]
		if !found {
			continue
		}
		err.Field = said.field
		if said.value != nil {
			err.BadValue = said.value(err.BadValue)
		}
		if detail, found := said.detail[err.Detail]; found {
			err.Detail = detail
		}
		break
	}
	return &err
}

var index = regexp.MustCompile(`\[[0-9]+\]`)

func parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '.'), 0)]
}

func oneLess(value any) any {
	if replicas, ok := value.(int32); ok {
		return replicas - 1
	}
	return value
}

func gibibytes(value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	size, err := resource.ParseQuantity(text)
	if err != nil {
		return value
	}
	return v1alpha1.WholeGibibytes(size)
}
