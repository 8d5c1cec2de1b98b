package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/duet-api/duet/bench/stats"
)

// millis prints nanoseconds as milliseconds with three significant digits, so that a column reads without units.
func millis(ns float64) string {
	if ns <= 0 {
		return "–"
	}
	return significant(ns / 1e6)
}

// significant prints three significant digits without an exponent.
func significant(v float64) string {
	if v == 0 {
		return "0"
	}
	decimals := max(2-int(math.Floor(math.Log10(math.Abs(v)))), 0)
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

func ratio(v float64) string {
	if v <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", v)
}

// interval prints the bounds of an estimate of a ratio.
func interval(e stats.Estimate) string {
	if !e.Bounded {
		return "no interval"
	}
	return ratio(e.Lo) + " to " + ratio(e.Hi)
}

// percent prints how far a factor is from 1.
func percent(factor float64) string {
	p := math.Abs(factor-1) * 100
	if p >= 10 {
		return fmt.Sprintf("%.0f %%", p)
	}
	return fmt.Sprintf("%.1f %%", p)
}

// floorText prints a noise floor: a percentage while that is readable, else the factor.
func floorText(floor float64) string {
	switch {
	case floor < 1:
		return "unknown"
	case floor < 1.5:
		return "± " + percent(floor)
	}
	return "factor " + significant(floor)
}

func bytesText(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.0f GiB", float64(n)/(1<<30))
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}

// printable replaces what would move a terminal's cursor or end a line: some strings come from servers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// count prints a number with its noun.
func count(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return strconv.Itoa(n) + " " + plural
}
