package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const (
	// apiPoll is how often the controller looks for the API while it is absent.
	apiPoll = 2 * time.Second
	// apiReminder is how often it says that it still waits, if the reason stays the same.
	apiReminder = time.Minute
)

// waitForAPI returns once the API answers a LIST, or with the context's error. An absent API is no reason to exit: the
// forms are installed and switched while the controller runs, and a process that restarts in ever longer pauses would
// notice late. tell hears the reason whenever there is one to wait for.
func waitForAPI(
	ctx context.Context, reader client.Reader, clock clock.Clock, logger logr.Logger, tell func(reason string),
) error {
	var last string
	var lastTime time.Time
	for {
		err := reader.List(ctx, &v1.MySQLInstanceList{}, client.Limit(1))
		if err == nil {
			logger.Info("the API answers", "api", v1.SchemeGroupVersion.String())
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		reason := absence(err)
		tell(reason)
		if reason != last || clock.Since(lastTime) >= apiReminder {
			logger.Info("waiting for the API", "api", v1.SchemeGroupVersion.String(), "reason", reason)
			last, lastTime = reason, clock.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.After(apiPoll):
		}
	}
}

// absence says in words why a LIST failed, and what would help.
func absence(err error) string {
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return fmt.Sprintf("%s is not served: install it with `duet install`", v1.SchemeGroupVersion)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Sprintf("the controller may not list instances: check its account and its role (%v)", err)
	case apierrors.IsServiceUnavailable(err):
		return fmt.Sprintf("%s is installed, but its server does not answer (%v)", v1.SchemeGroupVersion, err)
	}
	return err.Error()
}
