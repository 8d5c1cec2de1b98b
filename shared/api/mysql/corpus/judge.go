package corpus

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// Judge is somebody who decides about a request.
type Judge struct {
	// Name, by which a case can list a difference.
	Name string
	// Family that the judge shares differences with: who looks at the request first, a schema or Go types.
	Family string
	// Homes of the rules that the judge knows. Requests that break other ones are accepted.
	Homes sets.Set[Home]
	// Versions that the judge serves.
	Versions sets.Set[string]
}

const (
	schemaFirst = "schema"
	typesFirst  = "typed"
)

var (
	everyVersion = sets.New("v1", "v1alpha1")
	bySchema     = sets.New(Decoding, Strict, Metadata, Schema, CEL)
	everywhere   = bySchema.Clone().Insert(Go, LookUp)
)

// The judges.
var (
	// SchemaInProcess is the CustomResourceDefinition's schema and CEL, run by the libraries of apiextensions-apiserver.
	SchemaInProcess = Judge{Name: "schema-in-process", Family: schemaFirst, Homes: bySchema, Versions: everyVersion}
	// GoInProcess is the decoder, defaults, conversion, validation and look-ups of shared.
	GoInProcess = Judge{Name: "go-in-process", Family: typesFirst, Homes: everywhere, Versions: everyVersion}
	// CRDSchemaOnly is the crd form without webhooks.
	CRDSchemaOnly = Judge{Name: "crd/schema-only", Family: schemaFirst, Homes: bySchema, Versions: sets.New("v1")}
	// CRDWebhooks is the crd form.
	CRDWebhooks = Judge{Name: "crd/webhooks", Family: schemaFirst, Homes: everywhere, Versions: everyVersion}
	// Aggregated is the aggregated form.
	Aggregated = Judge{Name: "aggregated", Family: typesFirst, Homes: everywhere, Versions: everyVersion}

	judges = []Judge{SchemaInProcess, GoInProcess, CRDSchemaOnly, CRDWebhooks, Aggregated}
)

// LiveJudge finds the judge of a form's profile.
func LiveJudge(form, profile string) (Judge, error) {
	for _, judge := range []Judge{CRDSchemaOnly, CRDWebhooks, Aggregated} {
		if judge.Name == form || judge.Name == form+"/"+profile {
			return judge, nil
		}
	}
	return Judge{}, fmt.Errorf("the corpus has no judge for form %q, profile %q", form, profile)
}

func known(name string) bool {
	return slices.ContainsFunc(judges, func(j Judge) bool { return j.Name == name || j.Family == name })
}

// Expect is the verdict that a judge has to come to.
func (c Case) Expect(judge Judge) Verdict {
	if difference, found := c.Differs[judge.Name]; found {
		return difference.Verdict
	}
	if difference, found := c.Differs[judge.Family]; found {
		return difference.Verdict
	}
	if !judge.Homes.Has(c.Home) {
		return Verdict{Accepted: true}
	}
	if c.Home == Decoding && !c.Want.Accepted && judge.Family == typesFirst {
		// The request is decoded into Go types before anybody can look at its fields.
		return Verdict{Reason: metav1.StatusReasonBadRequest}
	}
	return c.Want
}

// Diff says how a judge's verdict differs from the expected one, and is empty if it does not. The fields named have to
// be the same; of a field's reasons, the expected one has to be there.
func (v Verdict) Diff(got Verdict) string {
	if v.Accepted != got.Accepted {
		return fmt.Sprintf("want %s, got %s", v, got)
	}
	if v.reason() != got.reason() || !sets.New(v.fields()...).Equal(sets.New(got.fields()...)) {
		return fmt.Sprintf("want %s, got %s", v, got)
	}
	for _, cause := range v.Causes {
		if !slices.Contains(got.Causes, cause) {
			return fmt.Sprintf("want %s, got %s", v, got)
		}
	}
	return ""
}

// String is the verdict on one line.
func (v Verdict) String() string {
	if v.Accepted {
		return "accepted"
	}
	var causes []string
	for _, cause := range v.Causes {
		causes = append(causes, fmt.Sprintf("%s %s", cause.Field, cause.Reason))
	}
	return fmt.Sprintf("refused as %s (%s)", v.reason(), strings.Join(causes, ", "))
}

func (v Verdict) reason() metav1.StatusReason {
	if v.Reason == "" && !v.Accepted {
		return metav1.StatusReasonInvalid
	}
	return v.Reason
}

func (v Verdict) fields() []string {
	var fields []string
	for _, cause := range v.Causes {
		fields = append(fields, cause.Field)
	}
	return fields
}
