package corpus

import (
	"context"
	"testing"

	"github.com/duet-api/duet/crd-impl/config"
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

func newSchemaJudge(t *testing.T) *SchemaJudge {
	t.Helper()
	crd, err := config.CRD()
	if err != nil {
		t.Fatal(err)
	}
	judge, err := NewSchemaJudge(crd)
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
