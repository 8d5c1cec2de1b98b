package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/behaviour"
)

// The rows of one site run together, many at a time, before the first spec looks at its result: most of a row's time is
// spent waiting.
var _ = Describe("Behaviour", func() {
	for _, form := range forms {
		for i, profile := range form.Profiles() {
			Context(form.Name()+" "+profile, Ordered, ContinueOnFailure, Label(form.Name(), profile), func() {
				rows := behaviour.Rows()
				if i > 0 {
					// What the slow rows look at is the work of the control plane's controllers, which do not know profiles.
					rows = fast(rows)
				}
				results := map[string]behaviour.Result{}

				BeforeAll(func(ctx context.Context) {
					site := newSite(ctx, form, profile)
					wanted := selected(rows, form.Name(), profile)
					for _, result := range behaviour.Run(ctx, site.subject(), wanted, nil) {
						results[result.ID] = result
					}
				})

				for _, row := range rows {
					It(fmt.Sprintf("%s %s", row.ID, row.Title), labels(row), func() {
						check(results[row.ID])
					})
				}
			})
		}
	}
})

func check(result behaviour.Result) {
	GinkgoHelper()
	if result.NotApplicable != "" {
		AddReportEntry("not applicable", result.NotApplicable)
		return
	}
	evidence, err := json.MarshalIndent(result.Evidence, "", "  ")
	Expect(err).NotTo(HaveOccurred())
	Expect(result.Error).To(BeEmpty(), "evidence: %s", evidence)
	Expect(result.Observed).To(Equal(result.Expected), "evidence: %s", evidence)
	Expect(result.Unexpected).To(BeFalse())
}

func labels(row behaviour.Row) Labels {
	return append(Label(string(row.Group), row.ID), row.Labels...)
}

func fast(rows []behaviour.Row) []behaviour.Row {
	var quick []behaviour.Row
	for _, row := range rows {
		if !row.Slow() {
			quick = append(quick, row)
		}
	}
	return quick
}

// selected are the rows that this run's label filter asks for. The others' specs are skipped, so nobody would look at
// their results.
func selected(rows []behaviour.Row, labelsOfSite ...string) []behaviour.Row {
	suite, _ := GinkgoConfiguration()
	var wanted []behaviour.Row
	for _, row := range rows {
		all := append(labels(row), labelsOfSite...)
		if all.MatchesLabelFilter(suite.LabelFilter) {
			wanted = append(wanted, row)
		}
	}
	return wanted
}
