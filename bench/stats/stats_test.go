package stats

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOf(t *testing.T) {
	tests := map[string]struct {
		values []float64
		want   Estimate
	}{
		"no values": {want: Estimate{}},
		"five values have no 95 % interval": {
			values: []float64{5, 1, 3, 2, 4},
			want:   Estimate{Median: 3, N: 5},
		},
		"six values: the interval is their whole range, at 1 - 2/64": {
			values: []float64{6, 1, 5, 2, 4, 3},
			want:   Estimate{Median: 3.5, Lo: 1, Hi: 6, Bounded: true, Confidence: 1 - 2.0/64, N: 6},
		},
		"ten values: one outlier on each side is outside, at 1 - 22/1024": {
			values: []float64{1000, 2, 3, 4, 5, 6, 7, 8, 9, 0.001},
			want:   Estimate{Median: 5.5, Lo: 2, Hi: 9, Bounded: true, Confidence: 1 - 22.0/1024, N: 10},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Of(test.values), cmp.Comparer(near)); diff != "" {
				t.Errorf("unexpected estimate (-want +got):\n%s", diff)
			}
		})
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestOfKeepsTheOrderOfItsArgument(t *testing.T) {
	values := []float64{3, 1, 2}
	Of(values)
	if diff := cmp.Diff([]float64{3, 1, 2}, values); diff != "" {
		t.Errorf("argument was changed (-want +got):\n%s", diff)
	}
}

func TestRatiosPairByRound(t *testing.T) {
	test := map[int]float64{1: 2, 2: 9, 3: 6, 5: 1}
	base := map[int]float64{1: 1, 3: 2, 4: 7, 5: 0}
	if diff := cmp.Diff([]float64{2, 3}, Ratios(test, base)); diff != "" {
		t.Errorf("unexpected ratios (-want +got):\n%s", diff)
	}
}

func interval(lo, hi float64) Estimate { return Estimate{Lo: lo, Hi: hi, Bounded: true} }

func TestFloor(t *testing.T) {
	tests := map[string]struct {
		same []Estimate
		want float64
	}{
		"unknown without an A/A pair":          {want: 0},
		"unknown when no interval is bounded":  {same: []Estimate{{Median: 1}}, want: 0},
		"the wider side counts, as a factor":   {same: []Estimate{interval(0.8, 1.1)}, want: 1.25},
		"an interval beside 1 is noise too":    {same: []Estimate{interval(1.1, 1.2)}, want: 1.2},
		"the noisiest of several pairs counts": {same: []Estimate{interval(0.99, 1.01), interval(0.9, 1.5)}, want: 1.5},
		"no noise at all is a floor of 1":      {same: []Estimate{interval(1, 1)}, want: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Floor(test.same...); !near(got, test.want) {
				t.Errorf("Floor() = %v, want %v", got, test.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	tests := map[string]struct {
		ratio  Estimate
		floor  float64
		want   Verdict
		margin float64
	}{
		"beyond the floor above":                {interval(1.32, 1.4), 1.2, Slower, 1.1},
		"beyond the floor below":                {interval(0.5, 0.75), 1.2, Faster, 1 / 0.9},
		"excludes 1, but not the floor":         {interval(1.1, 1.4), 1.2, NoDifference, 1},
		"excludes 1 below, but not the floor":   {interval(0.7, 0.84), 1.2, NoDifference, 1},
		"contains 1":                            {interval(0.9, 1.1), 1, NoDifference, 1},
		"exactly at the floor is not beyond it": {interval(1.2, 1.4), 1.2, NoDifference, 1},
		"no interval":                           {Estimate{Median: 9}, 1.2, Undecided, 1},
		"no floor":                              {interval(2, 3), 0, Undecided, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Judge(test.ratio, test.floor); got != test.want {
				t.Errorf("Judge() = %q, want %q", got, test.want)
			}
			if got := Margin(test.ratio, test.floor); !near(got, test.margin) {
				t.Errorf("Margin() = %v, want %v", got, test.margin)
			}
		})
	}
}

func TestVerdictInFamily(t *testing.T) {
	tests := map[string]struct {
		verdict   Verdict
		corrected float64
		want      Verdict
	}{
		"a claim that stands":                     {Slower, 0.04, Slower},
		"a claim that chance makes among so many": {Faster, 0.2, Undecided},
		"no claim stays none":                     {NoDifference, 1, NoDifference},
		"nothing to decide stays so":              {Undecided, 1, Undecided},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.verdict.InFamily(test.corrected); got != test.want {
				t.Errorf("InFamily() = %q, want %q", got, test.want)
			}
		})
	}
}
