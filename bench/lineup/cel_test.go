package lineup

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestWithRules(t *testing.T) {
	rule := apiextensionsv1.ValidationRules{{Rule: "self > 0"}}
	ruled := apiextensionsv1.JSONSchemaProps{Type: "integer", XValidations: rule}
	original := &apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{
		Group: "mysql.example.com",
		Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "mysqlinstances", ShortNames: []string{"mysql"}},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: "v1", Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				XValidations: rule,
				Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": {
					XValidations: rule,
					Properties: map[string]apiextensionsv1.JSONSchemaProps{
						"list": {Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &ruled}},
						"map":  {AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Schema: &ruled}},
					},
				}},
			}},
		}},
	}}
	for _, want := range []int{0, 100} {
		got := withRules(original, want)
		if got.Name != "mysqlinstances."+celGroup(want) || got.Spec.Group != celGroup(want) || got.Spec.Names.ShortNames != nil {
			t.Errorf("the copy is %s in group %s", got.Name, got.Spec.Group)
		}
		root := got.Spec.Versions[0].Schema.OpenAPIV3Schema
		spec := root.Properties["spec"]
		distinct := map[string]bool{}
		for _, rule := range spec.XValidations {
			distinct[rule.Rule] = true
		}
		if len(distinct) != want || len(root.XValidations) != 0 {
			t.Errorf("%d rules of the spec and %d of the whole, want %d and 0", len(distinct), len(root.XValidations), want)
		}
		if spec.Properties["list"].Items.Schema.XValidations != nil || spec.Properties["map"].AdditionalProperties.Schema.XValidations != nil {
			t.Error("rules inside of lists and maps are still there")
		}
	}
	if len(original.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].XValidations) != 1 {
		t.Error("the original was changed")
	}
}
