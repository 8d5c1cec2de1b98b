package stats

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPValue(t *testing.T) {
	many := func(value float64, n int) []float64 {
		values := make([]float64, n)
		for i := range values {
			values[i] = value
		}
		return values
	}
	tests := map[string]struct {
		values []float64
		floor  float64
		want   float64
	}{
		"nothing to look at":           {nil, 1.1, 1},
		"the floor is not known":       {many(2, 10), 0, 1},
		"all ten beyond":               {many(2, 10), 1.1, 2 / math.Pow(2, 10)},
		"all six below":                {many(0.5, 6), 1.1, 2 / math.Pow(2, 6)},
		"nine beyond, one within":      {append(many(2, 9), 1), 1.1, 22 / math.Pow(2, 10)},
		"all within the floor":         {many(1.05, 10), 1.1, 1},
		"half on one side, half there": {append(many(2, 5), many(0.5, 5)...), 1.1, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := PValue(test.values, test.floor); !near(got, test.want) {
				t.Errorf("PValue() = %v, want %v", got, test.want)
			}
		})
	}
}

func TestHolm(t *testing.T) {
	tests := map[string]struct{ p, want []float64 }{
		"none":                             {nil, []float64{}},
		"one stays":                        {[]float64{0.04}, []float64{0.04}},
		"the smallest pays for all":        {[]float64{0.01, 0.04, 0.03}, []float64{0.03, 0.06, 0.06}},
		"never below one that was smaller": {[]float64{0.02, 0.021}, []float64{0.04, 0.04}},
		"never above one":                  {[]float64{0.9, 0.8}, []float64{1, 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Holm(test.p), cmp.Comparer(near)); diff != "" {
				t.Errorf("unexpected values (-want +got):\n%s", diff)
			}
		})
	}
}
