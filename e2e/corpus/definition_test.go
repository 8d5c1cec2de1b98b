package corpus

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsinstall "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/utils/ptr"

	contract "github.com/duet-api/duet/shared/api/mysql/corpus"
	"github.com/duet-api/duet/shared/api/mysql/install"
	"github.com/duet-api/duet/shared/api/mysql/release"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// TestDefinitionIsValid asks what kube-apiserver asks when the definition is created: is the schema structural, do the
// rules compile, and are they cheap enough?
func TestDefinitionIsValid(t *testing.T) {
	crd := definition(t)
	scheme := runtime.NewScheme()
	apiextensionsinstall.Install(scheme)
	scheme.Default(crd)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := scheme.Convert(crd, internal, nil); err != nil {
		t.Fatal(err)
	}
	if errs := apiextensionsvalidation.ValidateCustomResourceDefinition(t.Context(), internal); len(errs) > 0 {
		t.Error(errs.ToAggregate())
	}
}

// TestDefaultsAgree sends every object that a schema lets pass through the schema's defaults and through Go's.
func TestDefaultsAgree(t *testing.T) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	plain := serializer.NewCodecFactory(scheme).UniversalDeserializer() // no defaults, no conversion
	judge := newSchemaJudge(t)
	compared := map[string]int{}
	for _, c := range allCases(t) {
		if !c.Expect(contract.SchemaInProcess).Accepted {
			continue
		}
		byGo, _, err := plain.Decode(c.Body, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		object, err := judge.versions[c.Version].decode(c.Body, false)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		bySchema, err := scheme.New(object.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, bySchema); err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		scheme.Default(byGo)
		if flat, ok := bySchema.(*v1alpha1.MySQLInstance); ok {
			addWhatOnlyGoSays(&flat.Spec)
		}
		if !apiequality.Semantic.DeepEqual(bySchema, byGo) {
			t.Errorf("%s (-schema +Go):\n%s", c.Name, cmp.Diff(bySchema, byGo))
		}
		compared[c.Version]++
	}
	for version, least := range map[string]int{"v1": 60, "v1alpha1": 40} {
		if compared[version] < least {
			t.Errorf("only %d objects of %s were compared", compared[version], version)
		}
	}
}

// addWhatOnlyGoSays is the list of differences: one default that depends on another field.
func addWhatOnlyGoSays(spec *v1alpha1.MySQLInstanceSpec) {
	if spec.BackupSchedule != "" && spec.BackupRetentionDays == nil {
		spec.BackupRetentionDays = ptr.To[int32](7)
	}
	if spec.BackupSchedule == "" && ptr.Deref(spec.BackupRetentionDays, 0) == 7 {
		spec.BackupRetentionDays = nil
	}
}

// TestVersionPatternIsTheTable keeps the one list of releases that a schema cannot import.
func TestVersionPatternIsTheTable(t *testing.T) {
	crd := definition(t)
	for _, version := range crd.Spec.Versions {
		name := map[string]string{"v1": "version", "v1alpha1": "engineVersion"}[version.Name]
		property := version.Schema.OpenAPIV3Schema.Properties["spec"].Properties[name]
		pattern, err := regexp.Compile(property.Pattern)
		if err != nil {
			t.Fatal(err)
		}
		for major := range 11 {
			for minor := range 13 {
				for patch := range 121 {
					text := fmt.Sprintf("%d.%d.%d", major, minor, patch)
					if _, err := release.Parse(text); pattern.MatchString(text) != (err == nil) {
						t.Errorf("%s: the pattern of %s and the table disagree", text, version.Name)
					}
				}
			}
		}
	}
}
