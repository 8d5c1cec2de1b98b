package behaviour

import (
	"testing"

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
