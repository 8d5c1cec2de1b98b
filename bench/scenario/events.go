package scenario

import (
	"maps"
	"sync"
)

// Events counts what happens in a cell beside its operations and is no failure: a conflict after which a client tries
// again, a watch that the server ends. A nil one counts nothing.
type Events struct {
	mu     sync.Mutex
	counts map[string]int64
}

// add counts an event, named in the plural.
func (e *Events) add(event string) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.counts == nil {
		e.counts = map[string]int64{}
	}
	e.counts[event]++
}

// Counts are the events so far, by name.
func (e *Events) Counts() map[string]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.counts)
}
