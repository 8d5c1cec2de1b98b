package scenario

import (
	"bytes"
	"context"
	"fmt"
	"net/url"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Watches that go on where another one ended. list_form.go has one that begins with all objects.
var (
	watchResume = Scenario{
		Name:  "watch-resume",
		Title: "Resume a watch after 20 changes",
		Why: "What every client does when its watch ends: it opens a new one from where it stood, and gets what it has " +
			"missed from the watch cache.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 1,
		Alone: true, Start: startWatchResume,
	}
	watchStorm = Scenario{
		Name:  "watch-storm",
		Title: "Resume watches after 20 changes, 50 at once",
		Why:   "After a restart all clients come back together.",
		Level: Full, Loop: load.Closed{Workers: 50}, Population: Small, Needs: arm.ServeAPI, Length: 2,
		Start: startWatchResume,
	}
)

// missed is how many changes happen while nobody watches.
const missed = 20

func startWatchResume(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	from, err := s.version(ctx)
	if err != nil {
		return nil, nil, err
	}
	cursors, err := members(ctx, s, resumeFrom, missed)
	if err != nil {
		return nil, nil, err
	}
	var last arm.Meta
	for _, c := range cursors {
		if _, last, err = c.replace(ctx); err != nil {
			return nil, nil, err
		}
	}
	request := arm.Request{
		Query: url.Values{"watch": {"1"}, "resourceVersion": {from}}, Until: s.Arm.Encoding.VersionMark(last.ResourceVersion),
	}
	return startList(asked(func(*Subject) arm.Request { return request }), func(_ *Subject, answer []byte) error {
		// Nothing in an object says the type of an event.
		if events := bytes.Count(answer, []byte("MODIFIED")); events != missed {
			return fmt.Errorf("the watch has %d events for %d changes", events, missed)
		}
		return nil
	})(ctx, s, cell)
}
