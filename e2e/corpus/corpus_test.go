package corpus

import (
	"context"
	"os"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	contract "github.com/duet-api/duet/shared/api/mysql/corpus"
)

func allCases(t *testing.T) []contract.Case {
	t.Helper()
	cases, err := contract.Cases()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// definition reads the generated file, and not the form that installs it: here it is only what it says.
func definition(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	data, err := os.ReadFile("../../crd-impl/config/crd/mysql.example.com_mysqlinstances.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(data, crd); err != nil {
		t.Fatal(err)
	}
	return crd
}

func newSchemaJudge(t *testing.T) *SchemaJudge {
	t.Helper()
	judge, err := NewSchemaJudge(definition(t))
	if err != nil {
		t.Fatal(err)
	}
	return judge
}

type judge interface {
	Judge(context.Context, contract.Case) (contract.Verdict, error)
}

func TestCorpusInProcess(t *testing.T) {
	judges := map[string]struct {
		as contract.Judge
		judge
	}{
		"schema and CEL": {contract.SchemaInProcess, newSchemaJudge(t)},
		"Go":             {contract.GoInProcess, NewGoJudge()},
	}
	for name, j := range judges {
		t.Run(name, func(t *testing.T) {
			for _, c := range allCases(t) {
				got, err := j.Judge(t.Context(), c)
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				if diff := c.Expect(j.as).Diff(got); diff != "" {
					t.Errorf("%s: %s", c.Name, diff)
				}
			}
		})
	}
}
