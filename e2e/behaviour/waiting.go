package behaviour

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// pollInterval is how often a probe looks again for what takes a moment.
	pollInterval = 50 * time.Millisecond
	// fewestLooks are needed to say that something does not happen: on a machine that is busy, patience may be over before
	// the first one is. They are few, since a server that hangs makes each of them long.
	fewestLooks = 3
)

// eventually waits until a condition holds, or until the context ends: then the error says what it waited for.
func eventually(ctx context.Context, what string, condition func(context.Context) (bool, error)) error {
	return eventuallyEvery(ctx, pollInterval, what, condition)
}

// eventuallyEvery is eventually for what takes longer than a moment.
func eventuallyEvery(
	ctx context.Context, interval time.Duration, what string, condition func(context.Context) (bool, error),
) error {
	if err := wait.PollUntilContextCancel(ctx, interval, true, condition); err != nil {
		return fmt.Errorf("could not see %s: %w", what, err)
	}
	return nil
}

// holdsWithin says whether a condition comes to hold before patience is over. It is for what may never happen: that it did
// not is a result, and no error. Patience does not cut a look short: a request that was not answered shows nothing.
func holdsWithin(ctx context.Context, patience time.Duration, condition func(context.Context) (bool, error)) (bool, error) {
	var (
		began = time.Now()
		looks int
		holds bool
	)
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		var err error
		holds, err = condition(ctx)
		looks++
		return holds || looks >= fewestLooks && time.Since(began) >= patience, err
	})
	return holds, err
}
