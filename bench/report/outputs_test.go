package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/ginkgo/v2/reporters"
	"golang.org/x/perf/benchfmt"

	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/e2e/behaviour"
)

func outcomes() report.Run {
	run := fixture()
	run.Matrix = []behaviour.Result{
		{ID: "A1", Group: behaviour.Machinery, Title: "Same", Form: "crd", Profile: "webhooks", Observed: "201", Expected: "201"},
		{ID: "A2", Group: behaviour.Machinery, Title: "Differs", Form: "crd", Profile: "webhooks", Observed: "415", Expected: "415"},
		{ID: "G1", Group: behaviour.Operations, Title: "Needs processes", Form: "crd", Profile: "webhooks", NotApplicable: "no processes"},
		{ID: "A1", Group: behaviour.Machinery, Title: "Same", Form: "aggregated", Profile: "shared-etcd", Observed: "201", Expected: "201"},
		{ID: "A2", Group: behaviour.Machinery, Title: "Differs", Form: "aggregated", Profile: "shared-etcd",
			Observed: "500", Expected: "200", Unexpected: true},
		{ID: "G1", Group: behaviour.Operations, Title: "Needs processes", Form: "aggregated", Profile: "shared-etcd",
			Error: "could not connect", Unexpected: true},
	}
	return run
}

func TestJUnitTellsOutcomesApart(t *testing.T) {
	var out bytes.Buffer
	if err := report.WriteJUnit(&out, outcomes()); err != nil {
		t.Fatal(err)
	}
	var suites reporters.JUnitTestSuites
	if err := xml.Unmarshal(out.Bytes(), &suites); err != nil {
		t.Fatalf("could not read it back: %v\n%s", err, out.String())
	}
	if suites.Tests != 6 || suites.Failures != 1 || suites.Errors != 1 || suites.Disabled != 1 || len(suites.TestSuites) != 2 {
		t.Errorf("%d tests, %d failures, %d errors, %d skipped in %d suites, want 6, 1, 1, 1 in 2",
			suites.Tests, suites.Failures, suites.Errors, suites.Disabled, len(suites.TestSuites))
	}
}

func TestTableShowsEveryRow(t *testing.T) {
	for _, wide := range []bool{false, true} {
		var out bytes.Buffer
		if err := report.WriteTable(&out, outcomes(), wide); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"CRD", "AGGREGATED", "A1", "differs, unexpected", "not applicable: no processes", "could not connect"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("wide %v: no %q in\n%s", wide, want, out.String())
			}
		}
	}
}

// Every link of the comparison leads to a row that is listed, and all of its tables have as many cells as headings.
func TestComparisonHoldsTogether(t *testing.T) {
	run := fixture()
	run.Matrix = nil
	for _, row := range behaviour.Rows() {
		for form, observed := range map[string]string{"crd": row.Expect.CRD, "aggregated": row.Expect.Aggregated} {
			run.Matrix = append(run.Matrix, behaviour.Result{
				ID: row.ID, Group: row.Group, Title: row.Title, Why: row.Why, Source: row.Source, Flag: row.Flag,
				Form: form, Profile: "any", Observed: observed, Expected: observed,
			})
		}
	}
	var out bytes.Buffer
	if err := report.WriteComparison(&out, run); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, link := range regexp.MustCompile(`\]\(#([a-z0-9]+)\)`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `<a id="`+link[1]+`">`) {
			t.Errorf("a link leads to %s, which is not there", link[1])
		}
	}
	columns := 0
	for _, line := range strings.Split(page, "\n") {
		switch cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); {
		case !strings.HasPrefix(line, "|"):
			columns = 0
		case columns == 0:
			columns = cells
		case cells != columns:
			t.Errorf("%d cells under %d headings: %s", cells-1, columns-1, line)
		}
	}
	for _, question := range behaviour.Questions {
		if !strings.Contains(page, "## "+question.Title) {
			t.Errorf("the question %s is missing", question.Title)
		}
	}
}

// What benchstat reads is what the rows say, with one line for each round.
func TestBenchTextIsReadByItsOwnReader(t *testing.T) {
	run := fixture()
	run.Bench.Cores = 2
	run.Bench.Rows[0].Arm = "crd-cel-100" // not one hundred processors
	var out bytes.Buffer
	if err := report.WriteBenchText(&out, run); err != nil {
		t.Fatal(err)
	}
	reader := benchfmt.NewReader(&out, "bench.txt")
	lines := 0
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Fatalf("%v", record)
		case *benchfmt.Result:
			row := run.Bench.Rows[lines]
			_, parts := record.Name.Parts()
			if diff := cmp.Diff([]string{"/arm=" + row.Arm, "-2"}, texts(parts)); diff != "" {
				t.Fatalf("unexpected parts in the name of line %d (-want +got):\n%s", lines, diff)
			}
			if got, ok := record.Value("p50-sec"); !ok || math.Abs(got*1e9-float64(row.Latency.P50)) > 1 {
				t.Fatalf("line %d has p50 %v s, want %d ns", lines, got, row.Latency.P50)
			}
			lines++
		}
	}
	if err := reader.Err(); err != nil || lines != len(run.Bench.Rows) {
		t.Errorf("read %d lines (error %v), want %d", lines, err, len(run.Bench.Rows))
	}
}

func texts(parts [][]byte) []string {
	var out []string
	for _, part := range parts {
		out = append(out, string(part))
	}
	return out
}

func TestCSVHasALineForEachRow(t *testing.T) {
	run := fixture()
	var out bytes.Buffer
	if err := report.WriteCSV(&out, run); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(records) != len(run.Bench.Rows)+1 {
		t.Fatalf("read %d lines (error %v), want a header and %d", len(records), err, len(run.Bench.Rows))
	}
	column := slices.Index(records[0], "p50_ns")
	if got, want := records[1][column], strconv.FormatInt(run.Bench.Rows[0].Latency.P50, 10); got != want {
		t.Errorf("the first p50 is %s, want %s", got, want)
	}
}

func TestPerfDashHasAnItemForEachDistribution(t *testing.T) {
	run := fixture()
	var out bytes.Buffer
	if err := report.WritePerfDash(&out, run); err != nil {
		t.Fatal(err)
	}
	var data struct {
		Version   string
		DataItems []struct {
			Data   map[string]float64
			Unit   string
			Labels map[string]string
		}
	}
	if err := json.Unmarshal(out.Bytes(), &data); err != nil {
		t.Fatal(err)
	}
	if data.Version != "v1" || len(data.DataItems) != len(run.Bench.Summaries) {
		t.Fatalf("version %q with %d items, want v1 with %d", data.Version, len(data.DataItems), len(run.Bench.Summaries))
	}
	first := run.Bench.Summaries[0]
	if got, want := data.DataItems[0].Data["Perc99"], float64(first.Pooled.P99)/1e6; got != want {
		t.Errorf("Perc99 of %s is %v ms, want %v", first.Arm, got, want)
	}
}
