package install

import (
	"sync"
	"time"
)

// tellEvery is how often long work says how far it has come: whoever waits for minutes has to see that it goes on.
const tellEvery = 10 * time.Second

// Pace tells how far work on many things has come. It may be used by several at a time.
type Pace struct {
	tell  func(format string, args ...any)
	total int64
	done  string

	mu    sync.Mutex
	count int64
	told  time.Time
}

// NewPace returns one for work that begins now, on so many things, or on 0 if nobody knows how many. Done is what is said of
// those that are done: "objects are made anew".
func NewPace(tell func(format string, args ...any), total int64, done string) *Pace {
	return &Pace{tell: tell, total: total, done: done, told: time.Now()}
}

// Done counts one more that is done, and says how many are, if nothing has been said for ten seconds.
func (p *Pace) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached(p.count + 1)
}

// Reached is Done for work that learns from elsewhere how many are done.
func (p *Pace) Reached(count int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached(count)
}

// Count is how many are done.
func (p *Pace) Count() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func (p *Pace) reached(count int64) {
	p.count = max(p.count, count)
	if time.Since(p.told) < tellEvery {
		return
	}
	p.told = time.Now()
	if p.total == 0 {
		p.tell("%d %s", p.count, p.done)
	} else {
		p.tell("%d of %d %s", min(p.count, p.total), p.total, p.done)
	}
}
