package behaviour

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/wire"
)

// load is readers and writers of the instance db, who go on whatever they are answered, to see what is lost while
// something is changed.
type load struct {
	reads, writes tally
	cancel        context.CancelFunc
	done          sync.WaitGroup
	subject       *Subject
}

// tally of the answers to one kind of request.
type tally struct {
	answered, refused atomic.Int64
	mu                sync.Mutex
	first             string // of the refusals
}

// loadInterval is between two requests of one kind: 50 in a second.
const loadInterval = 20 * time.Millisecond

// startLoad begins. The requests are not recorded: there are hundreds.
func (s *Subject) startLoad(ctx context.Context) (*load, error) {
	client, err := wire.New(s.Site.Config())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel, subject: s}
	l.run(ctx, &l.reads, func(int) (*wire.Answer, error) { return client.Send(ctx, "GET", s.path("db"), nil) })
	l.run(ctx, &l.writes, func(i int) (*wire.Answer, error) {
		// A change of the spec, which everything that judges writes has to see.
		return client.Send(ctx, "PATCH", s.path("db"), fmt.Sprintf(`{"spec":{"backup":{"retentionDays":%d}}}`, 1+i%300),
			wire.PatchType(types.MergePatchType))
	})
	return l, nil
}

func (l *load) run(ctx context.Context, t *tally, send func(int) (*wire.Answer, error)) {
	l.done.Go(func() {
		tick := time.NewTicker(loadInterval)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			answer, err := send(i)
			if ctx.Err() != nil {
				return
			}
			t.add(answer, err)
		}
	})
}

func (t *tally) add(answer *wire.Answer, err error) {
	if err == nil && answer.OK() {
		t.answered.Add(1)
		return
	}
	t.refused.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.first != "":
	case err != nil:
		t.first = err.Error()
	default:
		t.first = fmt.Sprintf("%s: %s", answer.Verdict(), answer.Body)
	}
}

// goOn returns when more requests of both kinds have been answered well than could have been under way.
func (l *load) goOn(ctx context.Context) error {
	const enough = 20
	reads, writes := l.reads.answered.Load()+enough, l.writes.answered.Load()+enough
	return eventually(ctx, "requests answered", func(context.Context) (bool, error) {
		return l.reads.answered.Load() >= reads && l.writes.answered.Load() >= writes, nil
	})
}

// stop ends the load and says what it came to. It may be called twice.
func (l *load) stop() string {
	l.cancel()
	l.done.Wait()
	for name, t := range map[string]*tally{"reads": &l.reads, "writes": &l.writes} {
		l.subject.recorder.Note("the load's "+name, fmt.Sprintf("%d answered, %d refused, the first with %q",
			t.answered.Load(), t.refused.Load(), t.first))
	}
	say := func(t *tally) string { return choose(t.refused.Load() == 0, "all answered", "some refused") }
	return fmt.Sprintf("reads: %s; writes: %s", say(&l.reads), say(&l.writes))
}
