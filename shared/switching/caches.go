package switching

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/metrics"
)

const (
	// fillTimeout is how long the watch caches of a CustomResourceDefinition get to fill. A large collection whose
	// conversion is slow may need longer; then the switch goes on without them.
	fillTimeout = 5 * time.Minute
	// fillInterval is how often is looked: a kube-apiserver takes longer to list its metrics than to answer a request.
	fillInterval = 2 * time.Second
	// fillPause is what they get where nothing shows how far they are.
	fillPause = 2 * time.Second
)

// cachesFilled counts the watch caches that a kube-apiserver has filled since it began, by resource.
const cachesFilled = "apiserver_watch_cache_initializations_total"

// caches are the watch caches of a CustomResourceDefinition in kube-apiserver: one for each version, and all of them begin
// with the first request to any. That of the storage version is filled in a moment. The others have a webhook convert every
// object, one after the other, which under load takes a minute for a thousand; until then lists and watches are put off
// with 429. So the storage version is flipped first, and the users of the others stay with the server until their caches
// are filled.
type caches struct {
	asker    *asker
	versions []string
	// before is how many had been filled; nil where nothing shows which of them are those of this definition.
	before *int
}

// cachesOf are those of every kube-apiserver, before the first version is flipped. A run that goes on after that cannot tell
// what is filled. Served says that the definition has served all along, as it has where a rollback begins before it was parked.
func cachesOf(ctx context.Context, front front, versions []string, served bool) ([]*caches, error) {
	var all []*caches
	err := front.each(func(asker *asker) error {
		caches, err := cachesAt(ctx, asker, versions, served)
		all = append(all, caches)
		return err
	})
	return all, err
}

func cachesAt(ctx context.Context, asker *asker, versions []string, served bool) (*caches, error) {
	out := &caches{asker: asker, versions: versions}
	begun, err := asker.fromDefinition(ctx, versions[0])
	// That kube-apiserver cannot reach who answers for the version says that it is a server that does: one that is left because it
	// is dead.
	unreachable := (*refusal)(nil)
	if err != nil && (!errors.As(err, &unreachable) || unreachable.code != http.StatusServiceUnavailable) {
		return nil, err
	}
	filled, counted := asker.filledCaches(ctx)
	switch {
	case begun || !counted:
	case !served:
		out.before = &filled
	case filled < len(versions): // so that they are not filled from before: it was started again
		out.before = new(int)
	}
	return out, nil
}

// filled waits until the caches are, or says that they are not.
func (m *move) filled(ctx context.Context, all []*caches) error {
	known := true
	for _, of := range all {
		if of.before == nil {
			known = false
			continue
		}
		err := untilWithin(ctx, fillTimeout, "the watch caches", fillInterval, of.filled)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			m.check("%v: lists and watches of the other versions may be put off for a while", err)
			return nil
		}
	}
	if !known {
		return pause(ctx, fillPause)
	}
	m.check("kube-apiserver has filled the watch caches of all versions")
	return nil
}

func (c *caches) filled(ctx context.Context) error {
	have, counted := c.asker.filledCaches(ctx)
	if !counted {
		return fmt.Errorf("kube-apiserver does not list its metrics")
	}
	if have < *c.before {
		*c.before = 0 // it was started again, counts anew, and has to be asked for caches to begin
		if _, err := c.asker.fromDefinition(ctx, c.versions[0]); err != nil {
			return err
		}
	}
	if filled := have - *c.before; filled < len(c.versions) {
		return fmt.Errorf("kube-apiserver has filled %d of %d watch caches", filled, len(c.versions))
	}
	return nil
}

// filledCaches is how many watch caches of the resource kube-apiserver has filled since it began, and false where it does
// not say: some clusters hide its metrics.
func (a *asker) filledCaches(ctx context.Context) (int, bool) {
	body, err := a.get(ctx, "/metrics")
	if err != nil {
		return 0, false
	}
	samples, err := metrics.Read(bytes.NewReader(body))
	if err != nil || samples[cachesFilled] == nil {
		return 0, false
	}
	filled, _ := samples.Sum(cachesFilled, metrics.Labels{"group": install.Resource.Group, "resource": install.Resource.Resource})
	return int(filled), true
}
