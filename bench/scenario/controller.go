package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/shared/controller"
)

// What users of an API wait for is its controller: it watches, writes the children, and reports in the status. The
// instances are stopped ones, which have all children but pods: what pods take is the same for every API, and would hide
// what differs. The namespace is empty otherwise, for the controller acts on all instances that there are.
var (
	settleOne = Scenario{
		Name:  "controller",
		Title: "Instance settled by its controller",
		Why: "From the creation until the status says that nothing is left to do: a watch event, a dozen children, and " +
			"several updates of the status, all through the API.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: None, Needs: arm.Own, Length: 3,
		Alone: true, Takes: 3 * time.Second, Start: startSettling(1),
	}
	settleMany = Scenario{
		Name:  "controller-burst",
		Title: fmt.Sprintf("%d instances settled by their controller", several),
		Why:   "From the first creation until the last is settled: what the controller can do when the API is its limit.",
		Level: Full, Loop: load.Times{Count: 1}, Population: None, Needs: arm.Own,
		Takes: 9 * time.Second, Start: startSettling(several),
	}
	resync = Scenario{
		Name:  "controller-restart",
		Title: fmt.Sprintf("Controller ready, with %d instances settled", several),
		Why: "A controller that starts lists everything and looks at every instance once. It is there when an instance " +
			"that was made while it was away is settled.",
		Level: Full, Loop: load.Times{Count: 1}, Population: None, Needs: arm.Own,
		Takes: 8 * time.Second, Start: startResync,
	}
)

// several instances are more than a controller works on at once. Each takes a small machine a third of a second, and as long to go
// again.
const several = 20

// site of the subject's arm, which the scenario needs.
func (s *Subject) owned() arm.Owned { return s.Arm.Target.(arm.Owned) }

// startSettling lets the controller loose on so many instances at once.
func startSettling(count int) func(context.Context, *Subject, Cell) (load.Op, func() error, error) {
	return func(ctx context.Context, s *Subject, _ Cell) (load.Op, func() error, error) {
		var made []arm.Object
		stop := func() error { return s.cease(ctx, made) }
		if err := s.owned().Own().StartController(ctx); err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		// The controller is there once it has settled one.
		first := s.fresh("warm", 1)
		made = append(made, first...)
		if _, err := s.settled(ctx, first); err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		op := func(ctx context.Context, _ load.Call) (time.Time, error) {
			objects := s.fresh("settled", count)
			made = append(made, objects...)
			return s.settled(ctx, objects)
		}
		return op, stop, nil
	}
}

func startResync(ctx context.Context, s *Subject, _ Cell) (load.Op, func() error, error) {
	made := s.fresh("settled", several)
	site, away := s.owned().Own(), false
	stop := func() error {
		if away { // and nobody else would let instances go
			if err := site.StartController(context.WithoutCancel(ctx)); err != nil {
				return err
			}
		}
		return s.cease(ctx, made)
	}
	err := site.StartController(ctx)
	if err == nil {
		_, err = s.settled(ctx, made)
	}
	if err = errors.Join(err, site.StopController(ctx)); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	away = true
	op := func(ctx context.Context, _ load.Call) (time.Time, error) {
		if err := site.StartController(ctx); err != nil {
			return time.Time{}, err
		}
		away = false
		late := s.fresh("late", 1)
		made = append(made, late...)
		return s.settled(ctx, late)
	}
	return op, stop, nil
}

// settled creates instances at once, and returns when the last of them is settled.
func (s *Subject) settled(ctx context.Context, objects []arm.Object) (time.Time, error) {
	times := make(chan time.Time, len(objects))
	err := eachWide(ctx, len(objects), objects, func(ctx context.Context, object arm.Object, answer *bytes.Buffer) error {
		done, err := s.settle(ctx, object, answer)
		times <- done
		return err
	})
	close(times)
	var last time.Time
	for at := range times {
		if at.After(last) {
			last = at
		}
	}
	return last, err
}

// settle creates a stopped instance and watches it until its status says that nothing is left to do.
func (s *Subject) settle(ctx context.Context, object arm.Object, answer *bytes.Buffer) (time.Time, error) {
	body, err := s.Arm.Kind.Append(nil, s.Arm.Encoding, object)
	if err != nil {
		return time.Time{}, err
	}
	body = bytes.Replace(body, []byte("Running"), []byte("Stopped"), 1) // as long, and so right in every encoding
	if _, err := s.Client.Create(ctx, object.Namespace, object.Name, body, answer); err != nil {
		return time.Time{}, err
	}
	meta, err := s.Client.Meta(answer.Bytes())
	if err != nil {
		return time.Time{}, err
	}
	return s.api().Do(ctx, arm.Request{
		Verb: http.MethodGet, Namespace: object.Namespace,
		Query: url.Values{
			"watch": {"1"}, "fieldSelector": {"metadata.name=" + object.Name}, "resourceVersion": {meta.ResourceVersion},
		},
		Until: []byte(controller.ReasonSettled),
	}, answer)
}

// cease removes instances and what the controller made for them, and stops the controller, also after an interruption.
func (s *Subject) cease(ctx context.Context, made []arm.Object) error {
	ctx = context.WithoutCancel(ctx)
	err := s.remove(ctx, made)
	if err == nil {
		err = s.childless(ctx)
	}
	return errors.Join(err, s.owned().Own().StopController(ctx))
}

// childless returns once the scratch namespace is as it was before instances were in it.
func (s *Subject) childless(ctx context.Context) error {
	const poll, patience = 50 * time.Millisecond, time.Minute
	var list bytes.Buffer
	instances, children := 0, 0
	err := wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		if _, err := s.Client.List(ctx, s.Arm.Scratch(), &list); err != nil {
			return false, err
		}
		_, items, err := s.Client.Items(list.Bytes())
		if err != nil {
			return false, err
		}
		if instances = len(items); instances > 0 {
			return false, nil
		}
		children, err = s.owned().Clear(ctx, s.Arm.Scratch())
		return children == 0, err
	})
	if err != nil {
		return fmt.Errorf("%d instances and %d of their children are still there: %w", instances, children, err)
	}
	return nil
}
