package controller

import (
	"testing"
	"time"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

func window(day v1.Weekday, start string, minutes int32) *v1.MaintenanceWindow {
	return &v1.MaintenanceWindow{Day: day, StartTime: start, DurationMinutes: &minutes}
}

// TestWindow looks at windows from times in the week of Monday, 2 March 2026.
func TestWindow(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse("2006-01-02 15:04:05 -0700", text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	tests := map[string]struct {
		window   *v1.MaintenanceWindow
		now      string
		wantOpen bool
		wantNext string
	}{
		"days before it opens": {
			window("Thursday", "03:00", 60), "2026-03-02 12:00:00 +0000", false, "2026-03-05 03:00:00 +0000",
		},
		"a moment before it opens": {
			window("Thursday", "03:00", 60), "2026-03-05 02:59:59 +0000", false, "2026-03-05 03:00:00 +0000",
		},
		"when it opens": {
			window("Thursday", "03:00", 60), "2026-03-05 03:00:00 +0000", true, "2026-03-12 03:00:00 +0000",
		},
		"a moment before it closes": {
			window("Thursday", "03:00", 60), "2026-03-05 03:59:59 +0000", true, "2026-03-12 03:00:00 +0000",
		},
		"when it closes": {
			window("Thursday", "03:00", 60), "2026-03-05 04:00:00 +0000", false, "2026-03-12 03:00:00 +0000",
		},
		"later on its day": {
			window("Thursday", "03:00", 60), "2026-03-05 23:00:00 +0000", false, "2026-03-12 03:00:00 +0000",
		},
		"past midnight": {
			window("Thursday", "23:30", 90), "2026-03-06 00:59:00 +0000", true, "2026-03-12 23:30:00 +0000",
		},
		"past midnight, and over": {
			window("Thursday", "23:30", 90), "2026-03-06 01:00:00 +0000", false, "2026-03-12 23:30:00 +0000",
		},
		"past the end of the week, as Go counts it": {
			window("Saturday", "23:00", 120), "2026-03-08 00:30:00 +0000", true, "2026-03-14 23:00:00 +0000",
		},
		"past the end of the week, as ISO counts it": {
			window("Sunday", "23:00", 120), "2026-03-09 00:30:00 +0000", true, "2026-03-15 23:00:00 +0000",
		},
		"a whole day long": {
			window("Sunday", "12:00", 1440), "2026-03-09 11:59:59 +0000", true, "2026-03-15 12:00:00 +0000",
		},
		"over the end of the year": {
			window("Thursday", "23:00", 120), "2027-01-01 00:30:00 +0000", true, "2027-01-07 23:00:00 +0000",
		},
		"a clock in another zone": {
			window("Thursday", "03:00", 60), "2026-03-04 22:30:00 -0500", true, "2026-03-12 03:00:00 +0000",
		},
		"a day that is another one in the clock's zone": {
			window("Monday", "00:00", 30), "2026-03-01 18:00:00 -0500", false, "2026-03-02 00:00:00 +0000",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := windowOpen(test.window, at(test.now)); got != test.wantOpen {
				t.Errorf("open: got %v, want %v", got, test.wantOpen)
			}
			if got := nextOpening(test.window, at(test.now)); !got.Equal(at(test.wantNext)) {
				t.Errorf("opens next: got %s, want %s", got, test.wantNext)
			}
		})
	}
	if !windowOpen(nil, testTime) {
		t.Error("without a window nothing can be done at any time")
	}
}
