package behaviour

import (
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/duet-api/duet/e2e/otlp"
)

func TestEncoding(t *testing.T) {
	for value, want := range map[string]string{
		`{"kind":"X"}`:            "JSON",
		"k8s\x00\x0a":             "protobuf",
		"k8s:enc:aescbc:v1:one:x": "encrypted with AES-CBC",
		"k8s:enc:kms:v2:x":        `something that begins with "k8s:enc:"`,
		"":                        `something that begins with ""`,
	} {
		if got := encoding([]byte(value)); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestSum(t *testing.T) {
	const text = `# TYPE requests counter
requests{verb="GET",code="200"} 3
requests{verb="GET",code="404"} 4
requests{verb="PUT",code="200"} 5
# TYPE seats gauge
seats{flow="a"} 0
# TYPE latency histogram
latency_bucket{verb="GET",le="+Inf"} 7
latency_sum{verb="GET"} 1
latency_count{verb="GET"} 7
`
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		metric    string
		labels    labels
		want      float64
		wantThere bool
	}{
		"one label of two":    {"requests", labels{"verb": "GET"}, 7, true},
		"both":                {"requests", labels{"verb": "GET", "code": "404"}, 4, true},
		"no such value":       {"requests", labels{"verb": "DELETE"}, 0, false},
		"no such label":       {"requests", labels{"flow": "a"}, 0, false},
		"no such metric":      {"answers", nil, 0, false},
		"a gauge that is 0":   {"seats", labels{"flow": "a"}, 0, true},
		"a histogram's count": {"latency", labels{"verb": "GET"}, 7, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, there := samples(families).sum(tt.metric, tt.labels)
			if got != tt.want || there != tt.wantThere {
				t.Errorf("got %v, %t, want %v, %t", got, there, tt.want, tt.wantThere)
			}
		})
	}
}

func TestDescribeTrace(t *testing.T) {
	in := func(trace string, links ...string) otlp.Span {
		s := otlp.Span{Trace: trace, Service: "apiserver"}
		for _, link := range links {
			s.Links = append(s.Links, otlp.Reference{Trace: link})
		}
		return s
	}
	tests := map[string]struct {
		spans []otlp.Span
		want  string
	}{
		"one":          {[]otlp.Span{in("a")}, "1 span of apiserver in 1 trace"},
		"one trace":    {[]otlp.Span{in("a"), in("a")}, "2 spans of apiserver in 1 trace"},
		"linked":       {[]otlp.Span{in("a"), in("b", "a")}, "2 spans of apiserver in 2 traces, linked"},
		"not linked":   {[]otlp.Span{in("a"), in("b")}, "2 spans of apiserver in 2 traces, not linked"},
		"to elsewhere": {[]otlp.Span{in("a"), in("b", "c")}, "2 spans of apiserver in 2 traces, not linked"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := describeTrace(tt.spans); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
