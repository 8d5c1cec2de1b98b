package lineup

import (
	"context"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/shared/install"
)

// celGroup is the group of a copy of the custom resource that has so many rules in CEL.
func celGroup(rules int) string { return fmt.Sprintf("cel-%d.bench.duet.example.com", rules) }

// celKind is the instances of that group.
func celKind(rules int) func(seed uint64) (*arm.Kind, error) {
	return func(seed uint64) (*arm.Kind, error) { return arm.MySQLInstancesIn(celGroup(rules), seed) }
}

// celTarget puts the copy beside the form's own CustomResourceDefinition.
func celTarget(rules int) targetFunc {
	return func(ctx context.Context, side *matrix.Side) (arm.Target, error) {
		client, err := clientset.NewForConfig(side.Config())
		if err != nil {
			return nil, fmt.Errorf("could not make a client: %w", err)
		}
		definitions := client.ApiextensionsV1().CustomResourceDefinitions()
		original, err := definitions.Get(ctx, install.Resource.Resource+"."+install.Group, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("could not read the CustomResourceDefinition: %w", err)
		}
		made, err := definitions.Create(ctx, withRules(original, rules), metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("could not make a CustomResourceDefinition with %d rules: %w", rules, err)
		}
		err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			now, err := definitions.Get(ctx, made.Name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			for _, condition := range now.Status.Conditions {
				if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil {
			return nil, fmt.Errorf("CustomResourceDefinition %s is not established: %w", made.Name, err)
		}
		return throughAPIServer(ctx, side)
	}
}

// withRules is the same schema in a group of its own, with so many rules in CEL, which are cheap and always hold, instead
// of those that it has.
func withRules(original *apiextensionsv1.CustomResourceDefinition, rules int) *apiextensionsv1.CustomResourceDefinition {
	out := &apiextensionsv1.CustomResourceDefinition{Spec: *original.Spec.DeepCopy()}
	out.Spec.Group, out.Spec.Conversion = celGroup(rules), nil
	// The short names are taken.
	out.Spec.Names.ShortNames, out.Spec.Names.Categories = nil, nil
	out.Name = out.Spec.Names.Plural + "." + out.Spec.Group
	for i := range out.Spec.Versions {
		schema := out.Spec.Versions[i].Schema.OpenAPIV3Schema
		withoutRules(schema)
		spec := schema.Properties["spec"]
		for rule := range rules {
			spec.XValidations = append(spec.XValidations, apiextensionsv1.ValidationRule{
				Rule: fmt.Sprintf("self.version != 'refused-%03d'", rule), Message: "this version is refused",
			})
		}
		schema.Properties["spec"] = spec
	}
	return out
}

// withoutRules drops all rules in CEL.
func withoutRules(schema *apiextensionsv1.JSONSchemaProps) {
	schema.XValidations = nil
	for name, property := range schema.Properties {
		withoutRules(&property)
		schema.Properties[name] = property
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		withoutRules(schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		withoutRules(schema.AdditionalProperties.Schema)
	}
}
