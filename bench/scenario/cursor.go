package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/duet-api/duet/bench/arm"
)

// errUnchanged is a write that wrote nothing.
var errUnchanged = errors.New("resourceVersion did not change")

// A cursor follows one object through its changes. One worker owns it, so that changes never conflict.
type cursor struct {
	subject *Subject
	// object is what is changed, with the resource version that it has.
	object arm.Object
	body   []byte
	answer bytes.Buffer
}

// members stands on as many objects of the population, the first being number from, or less where there are not so
// many.
func members(ctx context.Context, s *Subject, from, count int) ([]*cursor, error) {
	out := make([]*cursor, count)
	for i := range out {
		number := (from + i) % s.Population.Objects
		out[i] = &cursor{subject: s, object: arm.Object{
			Namespace: s.Arm.Namespace, Name: Member(number), Number: number, Set: hundredth(number),
		}}
		if err := out[i].refresh(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pieces stands on as many objects of the scratch namespace, for changes that make an object larger than the
// population's are: a status, or a manager that has applied. They are made by the first cell and stay.
func pieces(
	ctx context.Context, s *Subject, prefix string, count int, make func(*cursor, context.Context) error,
) ([]*cursor, error) {
	out := []*cursor{}
	for number := range count {
		c := &cursor{subject: s, object: arm.Object{
			Namespace: s.Arm.Scratch(), Name: fmt.Sprintf("%s-%02d", prefix, number), Number: number,
		}}
		err := c.refresh(ctx)
		if apierrors.IsNotFound(err) {
			if err = make(c, ctx); err == nil {
				err = c.refresh(ctx)
			}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// create makes the cursor's object.
func (c *cursor) create(ctx context.Context) error {
	return c.subject.make(ctx, []arm.Object{c.object})
}

// refresh learns the object's resource version.
func (c *cursor) refresh(ctx context.Context) error {
	done, err := c.subject.Client.Get(ctx, c.object.Namespace, c.object.Name, &c.answer)
	if _, err := c.subject.holding(1, &c.answer, done, err); err != nil {
		return err
	}
	meta, err := c.subject.Client.Meta(c.answer.Bytes())
	if err != nil {
		return err
	}
	c.object.ResourceVersion = meta.ResourceVersion
	return nil
}

// sendFunc sends an object's next revision, and returns when the answer was there.
type sendFunc func(object arm.Object) (time.Time, error)

// whole replaces the object by one with another revision in its spec.
func (c *cursor) whole(ctx context.Context) sendFunc {
	s := c.subject
	return func(object arm.Object) (time.Time, error) {
		body, err := s.Arm.Kind.Append(c.body[:0], s.Arm.Encoding, object)
		if err != nil {
			return time.Time{}, err
		}
		c.body = body
		return s.Client.Update(ctx, object.Namespace, object.Name, object.ResourceVersion, body, &c.answer)
	}
}

// replace sends the object with another revision in its spec.
func (c *cursor) replace(ctx context.Context) (time.Time, arm.Meta, error) {
	return c.change(ctx, c.whole(ctx))
}

// change sends the object's next revision, and returns when the answer was there and what it said. After a failure the
// cursor stands on the object as it is then.
func (c *cursor) change(ctx context.Context, send sendFunc) (time.Time, arm.Meta, error) {
	done, meta, err := c.try(send)
	if err != nil {
		err = errors.Join(err, c.refresh(ctx))
	}
	return done, meta, err
}

// try is change without a look at the object after a failure.
func (c *cursor) try(send sendFunc) (time.Time, arm.Meta, error) {
	c.object.Revision = int(c.subject.revision.Add(1))
	done, err := send(c.object)
	if err != nil {
		return time.Time{}, arm.Meta{}, err
	}
	meta, err := c.subject.Client.Meta(c.answer.Bytes())
	if err != nil {
		return time.Time{}, arm.Meta{}, err
	}
	if meta.ResourceVersion == c.object.ResourceVersion {
		return time.Time{}, arm.Meta{}, errUnchanged
	}
	c.object.ResourceVersion = meta.ResourceVersion
	done, err = c.subject.holding(1, &c.answer, done, nil)
	return done, meta, err
}
