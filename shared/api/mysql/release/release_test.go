package release

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		wantSeries string // empty: refused
	}{
		"8.0.36":                   {"8.0"},
		"8.4.0":                    {"8.4"},
		"8.4.99":                   {"8.4"},
		"9.0.1":                    {"9.x"},
		"9.6.0":                    {"9.x"},
		"":                         {},
		"8":                        {},
		"8.4":                      {},
		"8.4.100":                  {},
		"8.4.05":                   {},
		"08.4.5":                   {},
		"v8.4.5":                   {},
		"8.4.5-rc":                 {},
		"8.4.5+x":                  {},
		"8.4.5 ":                   {},
		"8.3.0":                    {},
		"9.7.0":                    {},
		"5.7.44":                   {},
		"8.4.-1":                   {},
		"8.4.5.1":                  {},
		"8.4.99999999999999999999": {},
	}
	for text, tc := range tests {
		t.Run(text, func(t *testing.T) {
			got, err := Parse(text)
			if (err != nil) != (tc.wantSeries == "") {
				t.Fatalf("got error %v", err)
			}
			if err == nil && (got.Series().Name != tc.wantSeries || got.String() != text) {
				t.Errorf("got %s of %s, want series %s", got, got.Series().Name, tc.wantSeries)
			}
			if err != nil && !strings.Contains(err.Error(), "8.0, 8.4 or 9.x") {
				t.Errorf("%q does not say what is supported", err)
			}
		})
	}
}

func TestUpgradeFrom(t *testing.T) {
	tests := map[string]struct{ from, to, want string }{
		"the same":                {"8.4.5", "8.4.5", ""},
		"a newer patch":           {"8.4.5", "8.4.10", ""},
		"an older patch":          {"8.4.10", "8.4.9", "may not fall"},
		"the next series":         {"8.0.36", "8.4.0", ""},
		"inside 9.x":              {"9.0.1", "9.6.0", ""},
		"back inside 9.x":         {"9.6.0", "9.5.0", "may not fall"},
		"over a series":           {"8.0.36", "9.0.0", "may rise by one release series at a time: go to 8.4 first"},
		"down a series":           {"9.0.0", "8.4.5", "may not fall"},
		"from long term to newer": {"8.4.5", "9.6.0", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			from, err := Parse(tc.from)
			if err != nil {
				t.Fatal(err)
			}
			to, err := Parse(tc.to)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := to.UpgradeFrom(from); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTowards(t *testing.T) {
	tests := map[string]struct{ from, to, want string }{
		"the same":          {"8.4.5", "8.4.5", "8.4.5"},
		"a newer patch":     {"8.4.5", "8.4.7", "8.4.7"},
		"the next series":   {"8.0.36", "8.4.1", "8.4.1"},
		"beyond the next":   {"8.0.36", "9.1.0", All[1].Newest},
		"within innovation": {"9.0.1", "9.6.0", "9.6.0"},
		"an older one":      {"9.0.1", "8.0.36", "8.0.36"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			from, err := Parse(tc.from)
			if err != nil {
				t.Fatal(err)
			}
			to, err := Parse(tc.to)
			if err != nil {
				t.Fatal(err)
			}
			if got := from.Towards(to).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestNewestIsOfItsSeries(t *testing.T) {
	for _, series := range All {
		newest, err := Parse(series.Newest)
		if err != nil {
			t.Fatal(err)
		}
		if newest.Series().Name != series.Name {
			t.Errorf("%s is of series %s, listed under %s", newest, newest.Series().Name, series.Name)
		}
	}
}
