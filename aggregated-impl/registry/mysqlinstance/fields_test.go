package mysqlinstance

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/shared/api/mysql"
)

func kind(version string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: mysql.GroupName, Version: version, Kind: "MySQLInstance"}
}

func newFieldScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := AddFieldLabels(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

func TestFieldLabels(t *testing.T) {
	scheme := newFieldScheme(t)
	for name, test := range map[string]struct {
		version, label, value string
		wantLabel, wantValue  string
		wantErr               bool
	}{
		"name":                     {"v1", "metadata.name", "db", fieldName, "db", false},
		"namespace of v1alpha1":    {"v1alpha1", "metadata.namespace", "ns", fieldNamespace, "ns", false},
		"engine version":           {"v1alpha1", "spec.engineVersion", "8.4.3", fieldVersion, "8.4.3", false},
		"paused":                   {"v1alpha1", "spec.paused", "true", fieldPowerState, "Stopped", false},
		"not paused":               {"v1alpha1", "spec.paused", "false", fieldPowerState, "Running", false},
		"paused is no power state": {"v1alpha1", "spec.paused", "Running", fieldPowerState, "paused=Running", false},

		"a field of the other version": {version: "v1", label: "spec.engineVersion", value: "8.4.3", wantErr: true},
		"and the other way":            {version: "v1alpha1", label: "spec.powerState", value: "Stopped", wantErr: true},
		"a field that is not declared": {version: "v1", label: "spec.replicas", value: "1", wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			label, value, err := scheme.ConvertFieldLabel(kind(test.version), test.label, test.value)
			if (err != nil) != test.wantErr {
				t.Fatalf("error: %v, want one: %t", err, test.wantErr)
			}
			if label != test.wantLabel || value != test.wantValue {
				t.Errorf("got %s=%s, want %s=%s", label, value, test.wantLabel, test.wantValue)
			}
		})
	}
}

// TestFieldLabelsAreTheCustomResourceDefinitions holds the two lists together.
func TestFieldLabelsAreTheCustomResourceDefinitions(t *testing.T) {
	data, err := os.ReadFile("../../../crd-impl/config/crd/mysql.example.com_mysqlinstances.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &crd); err != nil {
		t.Fatal(err)
	}
	scheme := newFieldScheme(t)
	for _, version := range crd.Spec.Versions {
		if len(version.SelectableFields) == 0 {
			t.Errorf("%s declares no selectable field", version.Name)
		}
		for _, field := range version.SelectableFields {
			label := strings.TrimPrefix(field.JSONPath, ".")
			if _, _, err := scheme.ConvertFieldLabel(kind(version.Name), label, "true"); err != nil {
				t.Errorf("%s: the CustomResourceDefinition selects by %s: %v", version.Name, label, err)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	stopped := &mysql.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "ns", Labels: map[string]string{"a": "b"}},
		Spec:       mysql.MySQLInstanceSpec{Version: "8.4.3", PowerState: mysql.PowerStopped},
	}
	for selector, want := range map[string]bool{
		"metadata.name=db,metadata.namespace=ns":     true,
		"spec.version=8.4.3,spec.powerState=Stopped": true,
		"spec.powerState!=Stopped":                   false,
		"metadata.name=other":                        false,
	} {
		predicate := Match(labels.Everything(), fields.ParseSelectorOrDie(selector))
		got, err := predicate.Matches(stopped)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: got %t, want %t", selector, got, want)
		}
	}
	gotLabels, _, err := GetAttrs(stopped)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(labels.Set{"a": "b"}, gotLabels); diff != "" {
		t.Error(diff)
	}
	if _, _, err := GetAttrs(&metav1.Status{}); err == nil {
		t.Error("want an error for an object that is no instance")
	}
}
