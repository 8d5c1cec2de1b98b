package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// answers is a reader that gives one prepared answer after the other, and the last one for ever.
type answers struct {
	client.Reader
	list []error
}

func (a *answers) List(context.Context, client.ObjectList, ...client.ListOption) error {
	answer := a.list[0]
	if len(a.list) > 1 {
		a.list = a.list[1:]
	}
	return answer
}

func TestWaitForAPI(t *testing.T) {
	absent := &meta.NoKindMatchError{GroupKind: v1.SchemeGroupVersion.WithKind("MySQLInstance").GroupKind()}
	down := apierrors.NewServiceUnavailable("no endpoints")
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "mysqlinstances"}, "", errors.New("no right"))

	reader := &answers{list: []error{absent, absent, down, forbidden, nil}}
	clock := clocktesting.NewFakeClock(testTime)
	var lines int
	logger := funcr.New(func(string, string) { lines++ }, funcr.Options{})
	var told []string
	done := make(chan error, 1)
	go func() {
		done <- waitForAPI(t.Context(), reader, clock, logger, func(reason string) { told = append(told, reason) })
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			want := []string{absence(absent), absence(absent), absence(down), absence(forbidden)}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			// One for each reason, none for the repetition, one for the end.
			if lines != 4 {
				t.Errorf("%d lines were logged, want 4", lines)
			}
			return
		default:
			if clock.HasWaiters() {
				clock.Step(apiPoll)
			}
		}
	}
}

// TestWaitForAPIReminds: a process that waits for an hour has said so lately.
func TestWaitForAPIReminds(t *testing.T) {
	clock := clocktesting.NewFakeClock(testTime)
	logged := make(chan struct{}, 100)
	logger := funcr.New(func(string, string) { logged <- struct{}{} }, funcr.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- waitForAPI(ctx, &answers{list: []error{errors.New("down")}}, clock, logger, func(string) {})
	}()
	steps := 0
	for len(logged) < 3 && steps < 10*int(apiReminder/apiPoll) {
		if clock.HasWaiters() {
			clock.Step(apiPoll)
			steps++
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if least := int(2 * apiReminder / apiPoll); steps < least || len(logged) < 3 {
		t.Errorf("%d lines within %s, want the third after %s", len(logged), time.Duration(steps)*apiPoll, 2*apiReminder)
	}
}
