package validation

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

func TestInVersion(t *testing.T) {
	path := field.NewPath
	tests := map[string]struct {
		err  *field.Error
		want string
	}{
		"a rename":         {field.Invalid(path("spec", "version"), "7", "no"), `spec.engineVersion: Invalid value: "7": no`},
		"arithmetic":       {field.Invalid(path("spec", "replicas"), int32(10), "must be between 1 and 9"), `spec.readReplicas: Invalid value: 9: must be between 0 and 8`},
		"a unit":           {field.Invalid(path("spec", "storage", "size"), "5Gi", "may only grow"), `spec.storageGB: Invalid value: 5: may only grow`},
		"a unit's detail":  {field.Invalid(path("spec", "storage", "size"), "-1Gi", "must be at least 1Gi"), `spec.storageGB: Invalid value: -1: must be at least 1`},
		"what is required": {field.Required(path("spec", "backup", "storage", "size"), ""), `spec.backupStorageGB: Required value`},
		"below a field":    {field.Invalid(path("spec", "credentials", "rootSecretRef", "key"), "", "no"), `spec.rootPasswordSecret: Invalid value: "": no`},
		"a parameter": {
			field.Invalid(path("spec", "parameters").Index(2).Child("value"), parameterText{"sql_mode", "X"}, "no"),
			`spec.config[sql_mode]: Invalid value: "X": no`,
		},
		"all parameters":  {field.TooMany(path("spec", "parameters"), 129, 128), `spec.config: Too many: 129: must have at most 128 items`},
		"TLS":             {field.Required(path("spec", "tls", "secretName"), "is required with mode Required"), `spec.sslSecret: Required value: is required with sslMode REQUIRED`},
		"carried past v1": {field.Invalid(v1alpha1.CarriedPath("maintenanceWindow"), "x", "no"), `spec.maintenanceWindow: Invalid value: "x": no`},
		"carried from v1": {
			field.Invalid(path("spec", "backup", "storage", "storageClassName"), "-", "no"),
			`metadata.annotations[mysql.example.com/v1-fields]: Invalid value: "-": no`,
		},
		"a condition": {
			field.Required(path("status", "conditions").Index(0).Child("reason"), ""),
			`metadata.annotations[mysql.example.com/v1-fields]: Required value`,
		},
		"the same in both": {field.Invalid(path("status", "replicas"), int64(-1), "no"), `status.replicas: Invalid value: -1: no`},
		"metadata":         {field.Required(path("metadata", "name"), "no"), `metadata.name: Required value: no`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := *tc.err
			got := InVersion(field.ErrorList{tc.err}, "v1alpha1")
			if len(got) != 1 || got[0].Error() != tc.want {
				t.Errorf("got  %v\nwant %s", got, tc.want)
			}
			if diff := cmp.Diff(before, *tc.err, cmp.AllowUnexported(parameterText{})); diff != "" {
				t.Errorf("InVersion writes to its input (-want +got):\n%s", diff)
			}
			if got := InVersion(field.ErrorList{tc.err}, "v1"); got[0] != tc.err {
				t.Errorf("v1: got %v", got)
			}
		})
	}
}

// TestEveryFieldHasAWording walks the types, so that a new v1 field cannot be reported at a path that v1alpha1 has not.
func TestEveryFieldHasAWording(t *testing.T) {
	known := map[string]bool{carriedFields: true}
	for _, field := range fieldsOf("", reflect.TypeFor[v1alpha1.MySQLInstance]()) {
		known[field] = true
	}
	for _, path := range fieldsOf("", reflect.TypeFor[v1.MySQLInstance]()) {
		said := inV1alpha1(field.Error{Field: path})
		if !known[said.Field] {
			t.Errorf("%s is said as %s, which v1alpha1 has not", path, said.Field)
		}
	}
	for path := range wordings {
		if !strings.Contains(strings.Join(fieldsOf("", reflect.TypeFor[v1.MySQLInstance]()), " ")+" ", path+" ") {
			t.Errorf("%s has a wording and is no field of v1", path)
		}
	}
}

// fieldsOf lists the JSON paths of spec and status, structs and leaves.
func fieldsOf(path string, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	var paths []string
	if path != "" {
		paths = append(paths, path)
	}
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.PkgPath(), "github.com/duet-api/") {
		return paths
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "metadata" {
			continue
		}
		paths = append(paths, fieldsOf(strings.TrimPrefix(path+"."+name, "."), t.Field(i).Type)...)
	}
	return paths
}
