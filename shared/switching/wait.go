package switching

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// waitTimeout is how long anything that a switch waits for may take on a machine that is busy.
const waitTimeout = 2 * time.Minute

// until tries until a try succeeds, or says what the last one said.
func until(ctx context.Context, what string, every time.Duration, try func(context.Context) error) error {
	return untilWithin(ctx, waitTimeout, what, every, try)
}

// untilWithin does so with another limit.
func untilWithin(ctx context.Context, limit time.Duration, what string, every time.Duration,
	try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, every, limit, true, func(ctx context.Context) (bool, error) {
		if err := try(ctx); err != nil {
			if ctx.Err() == nil || last == nil {
				last = err
			}
			return false, nil
		}
		return true, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("gave up waiting for %s: %w", what, last)
	}
	return err
}

// overdue says whether an error comes from a limit within the context, and not from its end.
func overdue(ctx context.Context, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
}

// propagation is how long servers get to see a change of what they are configured with, where nothing shows that they
// have. They watch it, and are told within milliseconds.
const propagation = 2 * time.Second

// pause waits.
func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-time.After(length):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
