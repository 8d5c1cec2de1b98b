package report_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/net/html"

	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/bench/scenario"
)

// sameData ignores what data does not have: a profile's level chooses scenarios before a run, and is no part of it.
var sameData = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(scenario.Profile{}, "Level")}

// variants are runs with parts missing, as when one is interrupted or only a part was asked for.
func variants() map[string]report.Run {
	whole := fixture()
	matrix, bench, nothing, single := fixture(), fixture(), fixture(), fixture()
	matrix.Bench = nil
	bench.Matrix = nil
	nothing.Bench, nothing.Matrix = nil, nil
	single.Bench = &report.Bench{Scenarios: whole.Bench.Scenarios, Arms: whole.Bench.Arms[:1]}
	return map[string]report.Run{
		"whole": whole, "matrix only": matrix, "benchmark only": bench, "nothing": nothing, "no measurements": single, "accounted": accounted(),
	}
}

func page(t *testing.T, run report.Run) (string, *html.Node) {
	t.Helper()
	var buffer bytes.Buffer
	if err := report.WriteHTML(&buffer, run); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(buffer.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return buffer.String(), root
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// elements with a tag, in the order of the document.
func elements(root *html.Node, tag string) []*html.Node {
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			out = append(out, n)
		}
	}
	return out
}

func text(n *html.Node) string {
	var out strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			out.WriteString(d.Data)
		}
	}
	return out.String()
}

func TestPageLoadsNothing(t *testing.T) {
	for name, run := range variants() {
		t.Run(name, func(t *testing.T) {
			source, root := page(t, run)
			for n := range root.Descendants() {
				if n.Type != html.ElementNode {
					continue
				}
				if slices.Contains([]string{"link", "iframe", "object", "embed", "base", "img", "form"}, n.Data) {
					t.Errorf("the page has an element <%s>", n.Data)
				}
				for _, a := range n.Attr {
					switch {
					case strings.HasPrefix(a.Key, "on"):
						t.Errorf("<%s> has the handler %s", n.Data, a.Key)
					case slices.Contains([]string{"src", "srcset", "href", "action", "data", "poster", "xlink:href"}, a.Key) &&
						!strings.HasPrefix(a.Val, "#"):
						t.Errorf("<%s %s=%q> refers to something outside of the page", n.Data, a.Key, a.Val)
					}
				}
			}
			for _, style := range elements(root, "style") {
				if css := text(style); strings.Contains(css, "url(") || strings.Contains(css, "@import") {
					t.Error("the style sheet refers to something outside of the page")
				}
			}
			if strings.Contains(source, "ZgotmplZ") {
				t.Error("the template refused a value")
			}
		})
	}
}

func TestPageHasNoScriptsButItsOwn(t *testing.T) {
	_, root := page(t, fixture())
	scripts := elements(root, "script")
	if len(scripts) != 2 || attribute(scripts[0], "type") != "application/json" {
		t.Fatalf("the page has %d scripts, want its data and its own", len(scripts))
	}
	if strings.Contains(text(scripts[1]), "alert") {
		t.Error("a server's string is in the script")
	}
}

// TestHostileStringsAreText: what a server sent is shown as it is, wherever it is shown.
func TestHostileStringsAreText(t *testing.T) {
	_, root := page(t, fixture())
	var body *html.Node
	for _, n := range elements(root, "main") {
		body = n
	}
	shown := text(body)
	if want := strings.TrimSpace(hostile); strings.Count(shown, want) < 6 {
		t.Errorf("the hostile string is shown %d times as it is, want each time", strings.Count(shown, want))
	}
}

func TestPageCarriesItsData(t *testing.T) {
	run := fixture()
	_, root := page(t, run)
	var got report.Run
	if err := json.Unmarshal([]byte(text(elements(root, "script")[0])), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(run, got, sameData); diff != "" {
		t.Errorf("the page's data differs from the run (-want +got):\n%s", diff)
	}
	link := slices.IndexFunc(elements(root, "a"), func(a *html.Node) bool { return attribute(a, "download") == "results.json" })
	if link < 0 {
		t.Error("the page does not offer its data")
	}
}

func TestPageIsAccessible(t *testing.T) {
	_, root := page(t, fixture())
	images := 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if attribute(n, "role") == "img" {
			images++
			if len(attribute(n, "aria-label")) < 20 {
				t.Errorf("an image has the text %q", attribute(n, "aria-label"))
			}
		} else if n.Data == "svg" && attribute(n, "aria-hidden") != "true" {
			t.Error("a drawing has no text and is not hidden")
		}
		if n.Data == "th" && attribute(n, "scope") == "" {
			t.Errorf("the heading %q does not say what it heads", text(n))
		}
	}
	const bars, forests, distributions = 6 * 4, 1, 6
	if images != bars+forests+distributions {
		t.Errorf("the page has %d images, want %d", images, bars+forests+distributions)
	}
	ids := map[string]int{}
	for n := range root.Descendants() {
		if id := attribute(n, "id"); n.Type == html.ElementNode && id != "" {
			ids[id]++
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%d elements have the id %q", n, id)
		}
	}
	for _, a := range elements(root, "a") {
		target, err := url.PathUnescape(strings.TrimPrefix(attribute(a, "href"), "#"))
		if attribute(a, "href") != "" && (err != nil || ids[target] == 0) {
			t.Errorf("the link to %q leads nowhere", attribute(a, "href"))
		}
	}
}

// TestVerdictsAreNotOnlyColours: each tag says its verdict in words and has a mark.
func TestVerdictsAreNotOnlyColours(t *testing.T) {
	_, root := page(t, fixture())
	got := map[string]bool{}
	for _, n := range elements(root, "span") {
		if strings.HasPrefix(attribute(n, "class"), "tag ") {
			got[text(n)] = true
		}
	}
	for _, want := range []string{
		"▼ faster", "▲ slower", "≈ no difference found", "= same", "≠ differs", "… incomplete", "! unexpected",
	} {
		if !got[want] {
			t.Errorf("no tag says %q; there are %v", want, got)
		}
	}
}

// number finds coordinates that are no numbers.
var notANumber = regexp.MustCompile(`(?:NaN|[+-]?Inf)\b`)

func TestDrawingsHaveCoordinates(t *testing.T) {
	for name, run := range variants() {
		t.Run(name, func(t *testing.T) {
			_, root := page(t, run)
			for _, drawing := range elements(root, "svg") {
				for n := range drawing.Descendants() {
					for _, a := range n.Attr {
						if notANumber.MatchString(a.Val) {
							t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
						}
					}
				}
			}
		})
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for name, run := range variants() {
		t.Run(name, func(t *testing.T) {
			var buffer bytes.Buffer
			if err := report.WriteJSON(&buffer, run); err != nil {
				t.Fatal(err)
			}
			got, err := report.ReadJSON(&buffer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(run, got, sameData); diff != "" {
				t.Errorf("unexpected run (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"another schema": {`{"schema":"duet.example.com/results/v2"}`, "results/v2"},
		"no schema":      {`{}`, `schema is ""`},
		"no JSON":        {`<html>`, "could not read results"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := report.ReadJSON(strings.NewReader(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ReadJSON() = %v, want an error with %q", err, test.want)
			}
		})
	}
}

// columns splits a line of a Markdown table.
var columns = regexp.MustCompile(`(?:^|[^\\])\|`)

func TestMarkdownTablesKeepTheirShape(t *testing.T) {
	for name, run := range variants() {
		t.Run(name, func(t *testing.T) {
			var buffer bytes.Buffer
			if err := report.WriteMarkdown(&buffer, run); err != nil {
				t.Fatal(err)
			}
			width := 0
			for line := range strings.Lines(buffer.String()) {
				if strings.ContainsAny(line, "<>") {
					t.Errorf("a tag could hide in %q", line)
				}
				if !strings.HasPrefix(line, "|") {
					width = 0
					continue
				}
				n := len(columns.FindAllString(line, -1))
				if width != 0 && n != width {
					t.Errorf("a line of a table has %d columns, not %d: %s", n, width, line)
				}
				width = n
			}
		})
	}
}

func TestMarkdownSaysWhatMatters(t *testing.T) {
	var buffer bytes.Buffer
	if err := report.WriteMarkdown(&buffer, fixture()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Duet 20260914-103100", "**Aggregated is slower than CRD in 3 of 6 operations and faster in 1; no difference",
		"| List 500 objects", "| faster |", "Strategic merge patch | 415 UnsupportedMediaType | 200, merged | differs |",
		"duet compare --profile quick --seed 7", "The controller was paused",
	} {
		if !strings.Contains(buffer.String(), want) {
			t.Errorf("the page does not say %q:\n%s", want, buffer.String())
		}
	}
}

func TestSummaryFitsATerminal(t *testing.T) {
	var buffer bytes.Buffer
	paths := report.PathsIn("/out/run")
	if err := report.Summary(&buffer, fixture(), paths); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Aggregated is slower than CRD in 3 of 6", "unexpected: Defaults are written back", "429 TooManyRequests", paths.HTML,
		paths.JSON, "List 500 objects",
	} {
		if !strings.Contains(buffer.String(), want) {
			t.Errorf("the summary does not say %q:\n%s", want, buffer.String())
		}
	}
	for line := range strings.Lines(buffer.String()) {
		if len([]rune(line)) > 160 {
			t.Errorf("a line has %d columns: %s", len([]rune(line)), line)
		}
		if strings.ContainsAny(line, "\x1b\r\t") {
			t.Errorf("a line has control characters: %q", line)
		}
	}
}

func TestSummaryOfAllVariants(t *testing.T) {
	for name, run := range variants() {
		t.Run(name, func(t *testing.T) {
			var buffer bytes.Buffer
			if err := report.Summary(&buffer, run, report.PathsIn("x")); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(buffer.String(), "report.html") {
				t.Errorf("the summary does not say where the report is:\n%s", buffer.String())
			}
		})
	}
}

func TestWriteMakesAllFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out", "run")
	if err := report.Write(dir, fixture()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if diff := cmp.Diff([]string{
		"bench.txt", "junit.xml", "perfdash.json", "report.html", "report.md", "results.csv", "results.json",
	}, got); diff != "" {
		t.Errorf("unexpected files (-want +got):\n%s", diff)
	}
	file := filepath.Join(dir, "results.json")
	if err := report.Write(file, fixture()); err == nil {
		t.Error("a report was written into a file")
	}
}
