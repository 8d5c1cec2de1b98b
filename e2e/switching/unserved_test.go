package switching_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/duet-api/duet/e2e/consistency"
)

// preparable is the oracle of a store that a switch may prepare before anybody is served from it: old copies are deleted
// there, objects are made, and get their status. That is not part of the history of any object. What the store has in the
// end is: it has to be what the other store has.
type preparable struct {
	consistency.Etcd

	mu        sync.Mutex
	preparing bool
	newest    map[consistency.Object]consistency.Change
	reached   int64
	tell      func(consistency.Change)
}

// Follow implements consistency.Oracle.
func (p *preparable) Follow(ctx context.Context, ready func(), tell func(consistency.Change)) error {
	p.mu.Lock()
	p.tell = tell
	p.mu.Unlock()
	return p.Etcd.Follow(ctx, ready, func(change consistency.Change) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reached = max(p.reached, change.Revision)
		if p.preparing {
			p.newest[change.State.Object] = change
			return
		}
		tell(change)
	})
}

// prepare begins what nobody is served.
func (p *preparable) prepare() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.preparing, p.newest = true, map[consistency.Object]consistency.Change{}
}

// serve ends it: what there is now is told.
func (p *preparable) serve(ctx context.Context) {
	GinkgoHelper()
	answer, err := p.Client.Get(ctx, p.Prefix+"/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	Expect(err).NotTo(HaveOccurred())
	var last int64
	for _, kv := range answer.Kvs {
		last = max(last, kv.ModRevision)
	}
	Eventually(func() int64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.reached
	}).WithContext(ctx).Should(BeNumerically(">=", last))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.preparing = false
	for _, change := range slices.SortedFunc(maps.Values(p.newest), func(a, b consistency.Change) int {
		return cmp.Compare(a.Revision, b.Revision)
	}) {
		change.Baseline = false // Requests were sent before it was there.
		p.tell(change)
	}
}
