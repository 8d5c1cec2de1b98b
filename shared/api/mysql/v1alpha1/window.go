package v1alpha1

import (
	"fmt"
	"strings"
	"time"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// maintenanceWindow pairs a day, a time and a duration with "Sun:03:00-Sun:04:00". The end may be past midnight and
// past the end of the week.
var maintenanceWindow = pair[*v1.MaintenanceWindow, string]{
	v1: "spec.maintenanceWindow", v1alpha1: "maintenanceWindow",
	toV1: parseWindow, fromV1: printWindow,
	sameV1: func(a, b *v1.MaintenanceWindow) bool {
		return samePointer(a, b, func(a, b v1.MaintenanceWindow) bool {
			return a.Day == b.Day && a.StartTime == b.StartTime &&
				samePointer(a.DurationMinutes, b.DurationMinutes, same)
		})
	},
	sameV1alpha1: same[string],
}

const (
	minutesPerDay  = 24 * 60
	minutesPerWeek = 7 * minutesPerDay
	// abbreviation is the length of a day's name in v1alpha1.
	abbreviation = 3
)

// parseWindow gives nil for what is not a window: then printing it back shows the difference, and the text is carried
// to validation.
func parseWindow(window string) *v1.MaintenanceWindow {
	opens, closes, found := strings.Cut(window, "-")
	if !found {
		return nil
	}
	day, clock, start := parseMoment(opens)
	_, _, end := parseMoment(closes)
	if start < 0 || end < 0 {
		return nil
	}
	minutes := int32((end - start + minutesPerWeek) % minutesPerWeek)
	return &v1.MaintenanceWindow{Day: day, StartTime: clock, DurationMinutes: &minutes}
}

// parseMoment reads "Sun:03:00". The minute counts from Sunday midnight and is negative if the text is no moment.
func parseMoment(moment string) (day v1.Weekday, clock string, minute int) {
	name, clock, _ := strings.Cut(moment, ":")
	for weekday := time.Sunday; weekday <= time.Saturday; weekday++ {
		if name == weekday.String()[:abbreviation] {
			if m := minuteOfDay(clock); m >= 0 {
				return v1.Weekday(weekday.String()), clock, int(weekday)*minutesPerDay + m
			}
		}
	}
	return "", "", -1
}

// printWindow gives nothing for a window that is not one: then parsing it back shows the difference, and the window is
// carried.
func printWindow(window *v1.MaintenanceWindow) string {
	if window == nil || window.DurationMinutes == nil {
		return ""
	}
	for weekday := time.Sunday; weekday <= time.Saturday; weekday++ {
		if string(window.Day) != weekday.String() {
			continue
		}
		start := minuteOfDay(window.StartTime)
		if start < 0 {
			return ""
		}
		start += int(weekday) * minutesPerDay
		end := (start + int(*window.DurationMinutes)) % minutesPerWeek
		if end < 0 {
			return ""
		}
		return printMoment(start) + "-" + printMoment(end)
	}
	return ""
}

func printMoment(minute int) string {
	day := time.Weekday(minute / minutesPerDay).String()[:abbreviation]
	return fmt.Sprintf("%s:%02d:%02d", day, minute/60%24, minute%60)
}

// minuteOfDay reads HH:MM, both with two digits, and is negative for anything else.
func minuteOfDay(clock string) int {
	t, err := time.Parse("15:04", clock)
	if err != nil || len(clock) != len("15:04") {
		return -1
	}
	return t.Hour()*60 + t.Minute()
}
