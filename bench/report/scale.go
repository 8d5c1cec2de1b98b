package report

import (
	"fmt"
	"math"
)

// logScale maps positive values to pixels.
type logScale struct {
	low, high float64 // values
	from, to  float64 // pixels
}

// at is the pixel of a value; values outside are put on the border.
func (s logScale) at(value float64) float64 {
	value = math.Min(math.Max(value, s.low), s.high)
	share := (math.Log(value) - math.Log(s.low)) / (math.Log(s.high) - math.Log(s.low))
	return s.from + share*(s.to-s.from)
}

// tick is a labelled place on an axis.
type tick struct {
	At    float64
	Label string
}

// ticks are the 1-2-5 steps inside the scale; only the powers of ten if there would be too many.
func (s logScale) ticks(label func(float64) string) []tick {
	const most = 8
	for _, steps := range [][]float64{{1, 2, 5}, {1}} {
		var out []tick
		for exponent := math.Floor(math.Log10(s.low)); exponent <= math.Ceil(math.Log10(s.high)); exponent++ {
			for _, step := range steps {
				value := step * math.Pow(10, exponent)
				if value >= s.low*0.999 && value <= s.high*1.001 {
					out = append(out, tick{s.at(value), label(value)})
				}
			}
		}
		if len(out) <= most {
			return out
		}
	}
	return nil
}

// ratioTicks are the places where a reader of ratios looks.
func (s logScale) ratioTicks() []tick {
	var out []tick
	for _, value := range []float64{1.0 / 16, 1.0 / 8, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8, 16} {
		if value >= s.low && value <= s.high {
			out = append(out, tick{s.at(value), fmt.Sprintf("%.3g", value)})
		}
	}
	return out
}

// nines maps a share of requests to pixels so that 90 %, 99 % and 99.9 % are equally far apart.
type nines struct{ from, to, highest float64 }

func (n nines) at(share float64) float64 {
	return n.from + math.Log10(1/(1-math.Min(share, n.highest)))/math.Log10(1/(1-n.highest))*(n.to-n.from)
}

func (n nines) ticks() []tick {
	var out []tick
	for _, share := range []struct {
		value float64
		label string
	}{{0, "0"}, {0.5, "50 %"}, {0.9, "90 %"}, {0.99, "99 %"}, {0.999, "99.9 %"}, {0.9999, "99.99 %"}} {
		if share.value <= n.highest {
			out = append(out, tick{n.at(share.value), share.label})
		}
	}
	return out
}
