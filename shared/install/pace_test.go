package install

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPace(t *testing.T) {
	for _, c := range []struct {
		name  string
		total int64
		want  []string
	}{
		{"known", 10, []string{"4 of 10 objects are made anew", "7 of 10 objects are made anew", "10 of 10 objects are made anew"}},
		{"grown meanwhile", 5, []string{"4 of 5 objects are made anew", "5 of 5 objects are made anew", "5 of 5 objects are made anew"}},
		{"unknown", 0, []string{"4 objects are made anew", "7 objects are made anew", "10 objects are made anew"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []string
				pace := NewPace(func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }, c.total,
					"objects are made anew")
				// What is done is said every ten seconds, and not each time.
				for range 5 {
					pace.Done()
					time.Sleep(4 * time.Second)
				}
				for done := range int64(5) {
					pace.Reached(done + 6)
					time.Sleep(4 * time.Second)
				}
				if count := pace.Count(); count != 10 {
					t.Errorf("%d are done, want 10", count)
				}
				if diff := cmp.Diff(c.want, told); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		})
	}
}
