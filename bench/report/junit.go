package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"

	"github.com/onsi/ginkgo/v2/reporters"

	"github.com/duet-api/duet/e2e/behaviour"
)

// WriteJUnit writes the behaviour checks in the format that CI systems read: a suite for each form, a case for each row.
// A row that does not apply is a skipped case with its reason, one that was not as expected a failed one, and one that
// could not be observed an error.
func WriteJUnit(w io.Writer, run Run) error {
	suites := reporters.JUnitTestSuites{}
	index := map[string]int{}
	for _, result := range run.Matrix {
		at, known := index[result.Form]
		if !known {
			at = len(suites.TestSuites)
			index[result.Form] = at
			suites.TestSuites = append(suites.TestSuites, reporters.JUnitTestSuite{
				Name: result.Form + " " + result.Profile, Package: "duet", Timestamp: run.Card.Started.UTC().Format("2006-01-02T15:04:05"),
			})
		}
		suite := &suites.TestSuites[at]
		testCase := reporters.JUnitTestCase{
			Name: result.ID + " " + result.Title, Classname: string(result.Group), Time: result.Duration.Seconds(), Status: "passed",
		}
		switch {
		case result.NotApplicable != "":
			testCase.Status, testCase.Skipped = "skipped", &reporters.JUnitSkipped{Message: result.NotApplicable}
			suite.Skipped, suites.Disabled = suite.Skipped+1, suites.Disabled+1
		case result.Error != "":
			testCase.Status, testCase.Error = "error", &reporters.JUnitError{
				Message: result.Error, Type: "not observed", Description: evidenceText(result.Evidence),
			}
			suite.Errors, suites.Errors = suite.Errors+1, suites.Errors+1
		case result.Unexpected:
			testCase.Status, testCase.Failure = "failed", &reporters.JUnitFailure{
				Message: fmt.Sprintf("expected %q, observed %q", result.Expected, result.Observed), Type: "unexpected",
				Description: evidenceText(result.Evidence),
			}
			suite.Failures, suites.Failures = suite.Failures+1, suites.Failures+1
		}
		suite.Tests, suites.Tests = suite.Tests+1, suites.Tests+1
		suite.Time, suites.Time = suite.Time+testCase.Time, suites.Time+testCase.Time
		suite.TestCases = append(suite.TestCases, testCase)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("could not write the JUnit report: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suites); err != nil {
		return fmt.Errorf("could not write the JUnit report: %w", err)
	}
	return nil
}

// evidenceText is the exchanges as JSON, for the body of a failure.
func evidenceText(evidence []behaviour.Exchange) string {
	text, err := json.MarshalIndent(evidence, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}
