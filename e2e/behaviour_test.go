package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/behaviour"
)

// behaviourSpecs look at the rows. They run together, many at a time, before the first spec looks at its result: most of
// a row's time is spent waiting.
func behaviourSpecs(s *site, rows []behaviour.Row) {
	Context("behaviour", Label("behaviour"), func() {
		results := map[string]behaviour.Result{}

		BeforeAll(func(ctx context.Context) {
			wanted := selected(rows, "behaviour", s.form.Name(), s.profile)
			for _, result := range behaviour.Run(ctx, s.Subject(), wanted, nil) {
				results[result.ID] = result
			}
		})

		for _, row := range rows {
			It(fmt.Sprintf("%s %s", row.ID, row.Title), Label(row.AllLabels()...), func() {
				check(results[row.ID])
			})
		}
	})
}

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

func fast(rows []behaviour.Row) []behaviour.Row {
	var quick []behaviour.Row
	for _, row := range rows {
		if !row.Slow() && !row.Disruptive() {
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
		all := Labels(append(row.AllLabels(), labelsOfSite...))
		if all.MatchesLabelFilter(suite.LabelFilter) {
			wanted = append(wanted, row)
		}
	}
	return wanted
}
