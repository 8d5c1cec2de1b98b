package switching

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		s := New(nil, func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) })
		m := &move{Switcher: s}
		// 32 at a time, each 4 s: the first to be done after ten seconds is the 65th, and the first after ten more the 161st.
		if err := m.inParallel(t.Context(), 7*writers, "objects are made anew", func(ctx context.Context, _ int) error {
			return pause(ctx, 4*time.Second)
		}); err != nil {
			t.Fatal(err)
		}
		want := []string{"  65 of 224 objects are made anew", "  161 of 224 objects are made anew"}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
