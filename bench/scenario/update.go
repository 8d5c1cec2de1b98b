package scenario

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

var update = Scenario{
	Name:  "update",
	Title: "Update",
	Why: "A replacement with one changed field: read, compare, write. An update that the server could short-cut, " +
		"because it changes nothing, counts as an error.",
	Loop:   load.Closed{Workers: 1},
	Needs:  arm.Keep,
	Length: 1,
	Start:  startUpdate,
}

// Objects that updates change, and objects that the watch scenario changes, by worker. All are of the population.
const (
	updateFrom = 100
	watchFrom  = 200
)

func startUpdate(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	cursors, err := cursors(ctx, s, updateFrom, cell.Workers)
	if err != nil {
		return nil, nil, err
	}
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		done, _, err := cursors[call.Worker].update(ctx)
		return done, err
	}
	return op, nil, nil
}

// errUnchanged is an update that wrote nothing.
var errUnchanged = errors.New("resourceVersion did not change")

// A cursor follows one object through its updates. One worker owns it, so that updates never conflict.
type cursor struct {
	subject         *Subject
	index           int
	resourceVersion string
	body            []byte
	answer          bytes.Buffer
}

// cursors stands on as many objects of the population, the first being number from.
func cursors(ctx context.Context, s *Subject, from, count int) ([]*cursor, error) {
	out := make([]*cursor, count)
	for i := range out {
		out[i] = &cursor{subject: s, index: from + i}
		if err := out[i].refresh(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// refresh learns the object's resource version.
func (c *cursor) refresh(ctx context.Context) error {
	if _, err := get(ctx, c.subject, c.index, &c.answer); err != nil {
		return err
	}
	meta, err := c.subject.Client.Meta(c.answer.Bytes())
	if err != nil {
		return err
	}
	c.resourceVersion = meta.ResourceVersion
	return nil
}

// update replaces the object by one that differs in a field of its spec, and returns when the answer was there and what
// it said. After a failure it stands on the object as it is then.
func (c *cursor) update(ctx context.Context) (time.Time, arm.Meta, error) {
	s := c.subject
	body, err := s.Arm.Kind.Append(c.body[:0], s.Arm.Encoding, arm.Object{
		Namespace:       s.Arm.Namespace,
		Name:            Member(c.index),
		ResourceVersion: c.resourceVersion,
		Number:          c.index,
		Revision:        int(s.revision.Add(1)),
	})
	if err != nil {
		return time.Time{}, arm.Meta{}, err
	}
	c.body = body
	done, err := s.Client.Update(ctx, s.Arm.Namespace, Member(c.index), c.resourceVersion, c.body, &c.answer)
	if err != nil {
		return time.Time{}, arm.Meta{}, errors.Join(err, c.refresh(ctx))
	}
	meta, err := s.Client.Meta(c.answer.Bytes())
	if err != nil {
		return time.Time{}, arm.Meta{}, err
	}
	if meta.ResourceVersion == c.resourceVersion {
		return time.Time{}, arm.Meta{}, errUnchanged
	}
	c.resourceVersion = meta.ResourceVersion
	return done, meta, nil
}
