package metrics

import (
	"strings"
	"testing"
)

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
	samples, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		metric    string
		labels    Labels
		want      float64
		wantThere bool
	}{
		"one label of two":    {"requests", Labels{"verb": "GET"}, 7, true},
		"both":                {"requests", Labels{"verb": "GET", "code": "404"}, 4, true},
		"no such value":       {"requests", Labels{"verb": "DELETE"}, 0, false},
		"no such label":       {"requests", Labels{"flow": "a"}, 0, false},
		"no such metric":      {"answers", nil, 0, false},
		"a gauge that is 0":   {"seats", Labels{"flow": "a"}, 0, true},
		"a histogram's count": {"latency", Labels{"verb": "GET"}, 7, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, there := samples.Sum(tt.metric, tt.labels)
			if got != tt.want || there != tt.wantThere {
				t.Errorf("got %v, %t, want %v, %t", got, there, tt.want, tt.wantThere)
			}
		})
	}
}
