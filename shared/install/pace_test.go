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
		{"known", 9, []string{"3 of 9 objects are made anew", "6 of 9 objects are made anew", "9 of 9 objects are made anew"}},
		{"grown meanwhile", 5, []string{"3 of 5 objects are made anew", "5 of 5 objects are made anew", "5 of 5 objects are made anew"}},
		{"unknown", 0, []string{"3 objects are made anew", "6 objects are made anew", "9 objects are made anew"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []string
				pace := NewPace(func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }, c.total,
					"objects are made anew")
				for done := range int64(10) { // which is said every ten seconds, and not each time
					pace.Reached(done)
					time.Sleep(4 * time.Second)
				}
				if diff := cmp.Diff(c.want, told); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		})
	}
}
