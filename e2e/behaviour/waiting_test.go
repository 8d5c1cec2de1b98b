package behaviour

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestHoldsWithin(t *testing.T) {
	const patience = 5 * time.Second
	broken := errors.New("broken")
	var began time.Time
	for _, test := range []struct {
		name      string
		condition func(context.Context) (bool, error)
		holds     bool
		err       error
		// took is how long it may take at most.
		took time.Duration
	}{
		{
			name:      "what holds is seen at once",
			condition: func(context.Context) (bool, error) { return true, nil },
			holds:     true,
		},
		{
			name:      "what comes to hold is waited for",
			condition: func(context.Context) (bool, error) { return time.Since(began) > patience/2, nil },
			holds:     true, took: patience/2 + 2*pollInterval,
		},
		{
			name:      "what never holds is no error",
			condition: func(context.Context) (bool, error) { return false, nil },
			took:      patience + 2*pollInterval,
		},
		{
			name: "patience does not cut a look short",
			condition: func(ctx context.Context) (bool, error) {
				time.Sleep(2 * patience)
				return true, ctx.Err()
			},
			holds: true, took: 2 * patience,
		},
		{
			name: "few slow looks do not make it a result",
			condition: func(ctx context.Context) (bool, error) {
				time.Sleep(patience)
				return time.Since(began) > 2*patience, ctx.Err()
			},
			holds: true, took: 4 * patience,
		},
		{
			name:      "an error ends it",
			condition: func(context.Context) (bool, error) { return false, broken },
			err:       broken,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began = time.Now()
				holds, err := holdsWithin(t.Context(), patience, test.condition)
				if holds != test.holds || !errors.Is(err, test.err) {
					t.Errorf("holdsWithin = %t, %v; want %t, %v", holds, err, test.holds, test.err)
				}
				if took := time.Since(began); took > test.took {
					t.Errorf("took %v, longer than %v", took, test.took)
				}
			})
		})
	}
}

func TestHoldsWithinEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := holdsWithin(ctx, time.Minute, func(context.Context) (bool, error) { return false, nil }); err == nil {
			t.Error("the row's time is over, and it says that something does not happen")
		}
	})
}
