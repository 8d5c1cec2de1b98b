package controller

import (
	"time"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const week = 7 * 24 * time.Hour

// windowOpen says whether a maintenance window is open: from its opening on, until just before its end. No window is
// one that is always open. The window is one that validation lets through.
func windowOpen(window *v1.MaintenanceWindow, now time.Time) bool {
	if window == nil {
		return true
	}
	opened := nextOpening(window, now).Add(-week)
	return now.Before(opened.Add(time.Duration(*window.DurationMinutes) * time.Minute))
}

// nextOpening is the first time after now at which the window opens. It is the same every week, because UTC has no
// summer time.
func nextOpening(window *v1.MaintenanceWindow, now time.Time) time.Time {
	now = now.UTC()
	days := 0
	for v1.Weekday(now.AddDate(0, 0, days).Weekday().String()) != window.Day && days < 7 {
		days++
	}
	// What does not parse is midnight; validation lets nothing else than times through.
	clock, _ := time.Parse("15:04", window.StartTime)
	opens := time.Date(now.Year(), now.Month(), now.Day()+days, clock.Hour(), clock.Minute(), 0, 0, time.UTC)
	if !opens.After(now) {
		opens = opens.Add(week)
	}
	return opens
}
