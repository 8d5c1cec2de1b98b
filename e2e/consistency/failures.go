package consistency

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// fails tells whether a request is one that a user would call failed: neither done, nor refused for a reason that lies
// in the objects and is judged as such.
func (o *Operation) fails() bool {
	if o.Outcome() == Done || o.Answer.Abandoned || o.deferred() {
		return false
	}
	switch o.Answer.Code {
	case http.StatusNotFound:
		return o.Object.Name == "" || o.Verb == Create
	case http.StatusConflict:
		return !o.Verb.Writes()
	case http.StatusGone:
		return !o.Continued && !o.Exact && o.Verb != Watch
	default:
		return true
	}
}

// deferred tells whether a read was put off: 429 or 504 with Retry-After, which a watch cache answers that begins, or
// that is behind the revision that is asked for. By contract the client comes again, and client-go does so without
// telling anybody. Nothing is lost by it, and what is lost all the same a watch is blamed for. It is no success either:
// the windows go on.
func (o *Operation) deferred() bool {
	code := o.Answer.Code
	return !o.Verb.Writes() && o.Answer.Later && (code == http.StatusTooManyRequests || code == http.StatusGatewayTimeout)
}

// failures counts what failed, checks that it may (S5), and measures for how long clients were refused.
func (c *checker) failures() {
	type flow struct {
		client string
		writes bool
	}
	refused := map[flow]time.Duration{}
	failing := map[flow]bool{}
	counts := &c.verdict.Counts
	inOrder := slices.Clone(c.history.Operations)
	slices.SortStableFunc(inOrder, func(a, b *Operation) int { return int(a.Call - b.Call) })
	var end time.Duration
	for _, operation := range inOrder {
		end = max(end, operation.Return)
		writes := operation.Verb.Writes()
		allowed, longest := c.options.Reads, &counts.ReadsRefused
		if writes {
			allowed, longest = c.options.Writes, &counts.WritesRefused
		}
		of := flow{operation.Client, writes}
		failed, deferred := operation.fails(), operation.deferred()
		refusal := failed || deferred
		if refusal && !failing[of] {
			refused[of] = operation.Call
		}
		if refusal || failing[of] {
			window := operation.Return - refused[of]
			*longest = max(*longest, window)
			if failing[of] && !refusal && allowed.Longest > 0 && window > allowed.Longest {
				c.blame("S5", operation, fmt.Sprintf("the client had no success for %s before this answer, "+
					"and at most %s is allowed", rounded(window), allowed.Longest))
			}
		}
		failing[of] = refusal
		if deferred {
			counts.Deferred++
		} else if failed {
			counts.Failures++
			if !slices.Contains(allowed.Codes, operation.Answer.Code) {
				c.blame("S5", operation, "the request failed")
			}
		} else if operation.Answer.Code == http.StatusConflict {
			counts.Conflicts++
		} else if operation.Answer.Code == http.StatusNotFound {
			counts.NotFound++
		}
	}
	for of, still := range failing {
		allowed := c.options.Reads
		if of.writes {
			allowed = c.options.Writes
		}
		if still && allowed.Longest > 0 && end-refused[of] > allowed.Longest {
			c.accuse("S5", Object{}, refused[of], fmt.Sprintf("client %s had no success after %s",
				of.client, stamp(refused[of])))
		}
	}
}
