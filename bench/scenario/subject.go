package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/duet-api/duet/bench/arm"
)

// Population is the objects in a namespace of an arm during the whole run.
type Population struct {
	// Objects is their number, Bytes the size of each.
	Objects, Bytes int
}

// The populations. Each is a megabyte, so that a list of another one says what is the price of a byte and what that of
// an object.
var (
	Small  = Population{Objects: 500, Bytes: arm.PayloadBytes}
	Medium = Population{Objects: 64, Bytes: 16 << 10}
	Large  = Population{Objects: 8, Bytes: 128 << 10}
)

// Populations to see how a server scales with the number of objects, and one without any, for what has to do with all
// objects that there are.
var (
	None            = Population{Objects: 0, Bytes: arm.PayloadBytes}
	Thousand        = Population{Objects: 1_000, Bytes: arm.PayloadBytes}
	TenThousand     = Population{Objects: 10_000, Bytes: arm.PayloadBytes}
	HundredThousand = Population{Objects: 100_000, Bytes: arm.PayloadBytes}
)

// Scales is whether the population is there for its number. Such a one is alone: its mere presence costs a server memory,
// and with it time.
func (p Population) Scales() bool { return p.Objects > Small.Objects }

// On is the arm with the population: the same one for Small, and otherwise one in a namespace of its own.
func (p Population) On(a *arm.Arm) (*arm.Arm, error) {
	sized := *a
	switch {
	case p == Small:
		return a, nil
	case p.Bytes == a.Kind.Bytes:
		sized.Namespace = fmt.Sprintf("%s-n%d", a.Namespace, p.Objects)
		return &sized, nil
	}
	kind, err := a.Kind.Sized(p.Bytes)
	if err != nil {
		return nil, err
	}
	sized.Kind, sized.Namespace = kind, fmt.Sprintf("%s-%dk", a.Namespace, p.Bytes>>10)
	return &sized, nil
}

// Subject is an arm with its population in place.
type Subject struct {
	// Arm is what is measured, Client its connection.
	Arm    *arm.Arm
	Client arm.Client
	// Population is what is in the arm's namespace.
	Population Population

	// size is the least that an answer with one object has, in bytes: what a server adds is more than what it may omit.
	size              int
	created, revision atomic.Int64
	// stream is where the random numbers of its workers begin.
	stream uint64
	// old is the same arm in the kind's old version, once somebody has asked for it.
	old *Subject
}

// NewSubject connects to a prepared arm and fills its namespace with a population, which must be of the size of the
// arm's kind (see Population.On).
func NewSubject(ctx context.Context, a *arm.Arm, population Population) (*Subject, error) {
	client, err := a.NewClient()
	if err != nil {
		return nil, err
	}
	s := &Subject{Arm: a, Client: client, Population: population}
	if s.size, err = a.Kind.Size(a.Encoding); err == nil {
		members := make([]arm.Object, population.Objects)
		for i := range members {
			members[i] = arm.Object{Namespace: a.Namespace, Name: Member(i), Number: i, Set: hundredth(i)}
		}
		err = s.make(ctx, members)
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("could not create the %d objects that arm %s is measured with: %w",
			population.Objects, a.Name, err)
	}
	return s, nil
}

// Again is another subject with the same objects, over a connection of its own. The arm is that which the subject's arm
// repeats; what both create has other names.
func (s *Subject) Again(a *arm.Arm) (*Subject, error) {
	same := *a
	same.Namespace = s.Arm.Namespace
	client, err := same.NewClient()
	if err != nil {
		return nil, err
	}
	again := &Subject{Arm: &same, Client: client, Population: s.Population, size: s.size, stream: s.stream + apart}
	again.created.Store(s.created.Load() + apart)
	return again, nil
}

// inOldVersion is a subject that speaks the old version of the kind with the same API, over a connection of its own.
func (s *Subject) inOldVersion(ctx context.Context) (*Subject, error) {
	if s.old != nil {
		return s.old, nil
	}
	same := *s.Arm
	var err error
	if same.Kind, err = s.Arm.Kind.InOldVersion(); err != nil {
		return nil, err
	}
	old, err := s.Again(&same)
	if err != nil {
		return nil, err
	}
	if old.size, err = same.Kind.Size(same.Encoding); err == nil {
		_, err = old.version(ctx) // which opens the connection
	}
	if err != nil {
		old.Close()
		return nil, err
	}
	s.old = old
	return old, nil
}

// Close drops the connections.
func (s *Subject) Close() {
	s.Client.Close()
	if s.old != nil {
		s.old.Close()
	}
}

// api is the client of an arm that is a Kubernetes API: for scenarios that need one.
func (s *Subject) api() arm.API { return s.Client.(arm.API) }

const memberPrefix = "member-"

// Member is the name of object i of the population.
func Member(i int) string { return fmt.Sprintf(memberPrefix+"%06d", i) }

// hundredth names the set that object i of the population is in, with every hundredth other one.
func hundredth(i int) string { return fmt.Sprintf("%02d", i%100) }

// apart is how far the names, and the random numbers, of two subjects with the same objects are from each other: more than
// either ever creates, and has workers.
const apart = 100_000_000

// fresh are so many objects for the scratch namespace, under names that nothing else ever had.
func (s *Subject) fresh(prefix string, count int) []arm.Object {
	out := make([]arm.Object, count)
	for i := range out {
		n := s.created.Add(1)
		out[i] = arm.Object{Namespace: s.Arm.Scratch(), Name: fmt.Sprintf("%s-%09d", prefix, n), Number: int(n)}
	}
	return out
}

// make creates objects: the time of these is nobody's measurement.
func (s *Subject) make(ctx context.Context, objects []arm.Object) error {
	return each(ctx, objects, func(ctx context.Context, object arm.Object, answer *bytes.Buffer) error {
		body, err := s.Arm.Kind.Append(nil, s.Arm.Encoding, object)
		if err != nil {
			return err
		}
		_, err = s.Client.Create(ctx, object.Namespace, object.Name, body, answer)
		return err
	})
}

// remove deletes objects that may be there. An arm that keeps nothing has nothing to remove.
func (s *Subject) remove(ctx context.Context, objects []arm.Object) error {
	if s.Arm.Target.Can() < arm.Keep {
		return nil
	}
	return each(ctx, objects, func(ctx context.Context, object arm.Object, answer *bytes.Buffer) error {
		_, err := s.Client.Delete(ctx, object.Namespace, object.Name, answer)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// errKept is an object that was deleted and is there all the same.
var errKept = errors.New("a deleted object is still there")

// gone removes what is left of objects that a cell was to delete, and reports if it had deleted one of these already.
func (s *Subject) gone(ctx context.Context, objects []arm.Object, deleted []bool) error {
	var list bytes.Buffer
	if _, err := s.Client.List(ctx, s.Arm.Scratch(), &list); err != nil {
		return err
	}
	_, items, err := s.Client.Items(list.Bytes())
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, item := range items {
		there[item.Name] = true
	}
	var kept error
	var left []arm.Object
	for i, object := range objects {
		if !there[object.Name] {
			continue
		}
		left = append(left, object)
		if deleted[i] {
			kept = errKept
		}
	}
	return errors.Join(kept, s.remove(ctx, left))
}

// each does something for every object, with a few workers, of which each ends with its first failure.
func each(
	ctx context.Context, objects []arm.Object, do func(ctx context.Context, object arm.Object, answer *bytes.Buffer) error,
) error {
	return eachWide(ctx, 8, objects, do)
}

// eachWide is each with so many workers.
func eachWide(
	ctx context.Context, workers int, objects []arm.Object,
	do func(ctx context.Context, object arm.Object, answer *bytes.Buffer) error,
) error {
	var group errgroup.Group // without a context: what was begun ends, so that it can be removed
	for worker := range workers {
		group.Go(func() error {
			var answer bytes.Buffer
			for i := worker; i < len(objects); i += workers {
				if err := do(ctx, objects[i], &answer); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
