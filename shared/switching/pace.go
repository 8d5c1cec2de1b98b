package switching

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// tellEvery is how often long work says how far it has come: whoever waits for minutes has to see that it goes on.
const tellEvery = 10 * time.Second

// pace tells how far work on many things has come, of which several are under way at a time.
type pace struct {
	tell  func(format string, args ...any)
	done  string
	total int64
	mu    sync.Mutex
	told  time.Time
}

// pace returns one for work that begins now. Done is what is said of the things: "objects are made anew".
func (m *move) pace(total int64, done string) *pace {
	return &pace{tell: m.progress, done: done, total: total, told: time.Now()}
}

// reached says how many are done, if that has not been said for a while.
func (p *pace) reached(done int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.told) < tellEvery {
		return
	}
	p.told = time.Now()
	p.tell("  %d of %d %s", min(done, p.total), p.total, p.done)
}

// inParallel does n things, some at a time, and tells now and then how many are done.
func (m *move) inParallel(ctx context.Context, n int, done string, do func(context.Context, int) error) error {
	pace := m.pace(int64(n), done)
	var finished atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range n {
		group.Go(func() error {
			if err := do(ctx, i); err != nil {
				return err
			}
			pace.reached(finished.Add(1))
			return nil
		})
	}
	return group.Wait()
}
