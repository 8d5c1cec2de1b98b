package compare

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/bench/trace"
)

// tracedDir gets a directory for each control plane of the traced pass, beside those of the others.
const tracedDir = "traced"

// follows is whether there is a traced pass. A run that goes on may have had its own.
func (c *comparison) follows() bool {
	return c.Traces && (c.Resume == nil || c.Resume.Run.Bench.Traces == nil)
}

// traces follows requests through control planes whose servers report what they do. The measured ones are stopped
// first: their servers must not pay for it, and the machine is small.
func (c *comparison) traces(ctx context.Context) (_ *trace.Result, err error) {
	err = c.sides.Close(ctx, c.Keep)
	if c.sides = nil; err != nil {
		return nil, err
	}
	c.step("following single requests through the servers")
	var receiver trace.Receiver
	defer receiver.Close()
	settings, err := receiver.Settings(filepath.Join(c.planesDir(), tracedDir))
	if err != nil {
		return nil, err
	}
	entries := lineup.Traced(c.Arms)
	planes, err := lineup.Sides(c.Forms, entries, c.Profiles)
	if err != nil {
		return nil, err
	}
	for i := range planes {
		planes[i].EtcdArgs = settings.EtcdArgs
		planes[i].APIServerArgs = append(planes[i].APIServerArgs, settings.APIServerArgs...)
		planes[i].Amend = settings.Amend
	}
	sides, err := matrix.StartSides(ctx, matrix.SidesOptions{
		Sides: planes, Forms: c.Forms, Dir: filepath.Join(c.planesDir(), tracedDir), Progress: c.Progress,
	})
	defer func() { err = errors.Join(err, sides.Discard(context.WithoutCancel(ctx))) }()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(sides.Install(ctx), stopControllers(ctx, sides)); err != nil {
		return nil, err
	}
	arms, err := lineup.Arms(ctx, entries, sides, c.Seed)
	if err != nil {
		return nil, err
	}
	scenarios, err := trace.Scenarios()
	if err != nil {
		return nil, err
	}
	return trace.Run(ctx, trace.Options{
		Arms: arms, Scenarios: scenarios, Requests: trace.DefaultRequests, Seed: c.Seed, Receiver: &receiver, Turns: turnsOf(sides),
	})
}
