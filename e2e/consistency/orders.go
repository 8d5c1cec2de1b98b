package consistency

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/anishathalye/porcupine"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// orders looks, for each object, for one order of all requests that explains every answer (KV). A resourceVersion says
// where in the order a request is; but 404, 409, AlreadyExists and most answers to deletes have none, and each of them
// may be right alone while all together cannot be. Objects without such answers are ordered by their revisions, and
// that was checked already.
func (c *checker) orders() {
	requests := map[Object][]*Operation{}
	for _, operation := range c.history.Operations {
		if operation.Object.Name != "" && !operation.DryRun {
			requests[operation.Object] = append(requests[operation.Object], operation)
		}
	}
	for _, object := range c.timeline.objects() {
		// A search that must fail takes long, and there is proof already.
		if c.accused[object] || !slices.ContainsFunc(requests[object], unwitnessed) {
			continue
		}
		c.order(object, requests[object])
	}
}

// unwitnessed tells whether an answer says something about the object without a resourceVersion.
func unwitnessed(o *Operation) bool {
	code := o.Answer.Code
	return o.removes() || code == http.StatusNotFound || code == http.StatusConflict
}

// step is what a request, or a change without a known request, needs of the object and makes of it. The model's state
// is how many changes of the object have taken place.
type step struct {
	subject fmt.Stringer
	next    func(taken int) []any
}

func (c *checker) order(object Object, requests []*Operation) {
	c.verdict.Counts.Ordered++
	changes := c.timeline.byObject[object]
	begin := 0
	for begin < len(changes) && c.timeline.changes[changes[begin]].Baseline {
		begin++
	}
	history := c.changeSteps(changes[begin:], begin)
	for _, operation := range requests {
		if next := c.step(operation, changes); next != nil {
			history = append(history, porcupine.Operation{
				Input: step{operation, next}, Call: int64(operation.Call), Return: int64(operation.Return),
			})
		}
	}
	nondeterministic := porcupine.NondeterministicModel{
		Init: func() []any { return []any{begin} },
		Step: func(taken, input, _ any) []any { return input.(step).next(taken.(int)) },
		Hash: func(taken any) uint64 { return uint64(taken.(int)) * 0x9e3779b97f4a7c15 },
	}
	model := nondeterministic.ToModel()
	switch porcupine.CheckOperationsTimeout(model, history, c.options.Patience) {
	case porcupine.Ok:
	case porcupine.Unknown:
		c.verdict.Undecided = append(c.verdict.Undecided, object.String())
	case porcupine.Illegal:
		c.accuse("KV", object, never, "no order of the requests explains all their answers",
			c.unexplained(model, history, changes)...)
	}
}

// changeSteps are the changes that no acknowledged request with a token made: they may have happened any time between
// their bounds, and which of the requests without a token made them is for the search to find.
func (c *checker) changeSteps(changes []int, begin int) []porcupine.Operation {
	acknowledged := map[int]bool{}
	for _, operation := range c.history.Operations {
		if operation.Token != "" && operation.Outcome() == Done {
			for _, place := range c.timeline.authored[operation.Token] {
				acknowledged[place] = true
			}
		}
	}
	var steps []porcupine.Operation
	for i, place := range changes {
		if acknowledged[place] {
			continue
		}
		before := begin + i
		steps = append(steps, porcupine.Operation{
			Input: step{c.timeline.changes[place], func(taken int) []any {
				if taken == before {
					return []any{taken, taken + 1}
				}
				return []any{taken}
			}},
			Call: int64(c.bounds.notBefore[place]), Return: int64(c.bounds.committed[place]),
		})
	}
	return steps
}

// step is what an answer says, or nil if it says nothing about the order.
func (c *checker) step(operation *Operation, changes []int) func(int) []any {
	exists := func(taken int) bool { return taken > 0 && c.timeline.exists(changes[taken-1]) }
	staysIf := func(holds func(taken int) bool) func(int) []any {
		return func(taken int) []any {
			if holds(taken) {
				return []any{taken}
			}
			return nil
		}
	}
	answer := operation.Answer
	switch {
	case operation.removes():
		return func(taken int) []any {
			if exists(taken) && taken < len(changes) && c.timeline.changes[changes[taken]].Deleted {
				return []any{taken + 1}
			}
			// Who takes off the last finalizer may find that another has, and is told the same.
			if taken > 1 && !exists(taken) && c.timeline.changes[changes[taken-2]].State.Deleting {
				return []any{taken}
			}
			return nil
		}
	case answer.State != nil && operation.consistent():
		at := slices.IndexFunc(changes, func(i int) bool { return c.timeline.changes[i].Revision == answer.State.Revision })
		if at < 0 {
			return nil
		}
		writes := operation.Verb.Writes()
		needed := operation.Token != ""
		// A copy in another store is the same state, and the original is shown for a moment longer.
		last := at + 1
		for last < len(changes) && c.timeline.imported(changes[last]) {
			last++
		}
		return func(taken int) []any {
			switch {
			case writes && taken == at:
				return []any{at + 1}
			case taken > at && taken <= last && !needed:
				// A read, or a write that changed nothing or was made by another with the same outcome.
				return []any{taken}
			}
			return nil
		}
	case answer.Code == http.StatusNotFound && operation.consistent():
		return staysIf(func(taken int) bool { return !exists(taken) })
	case answer.Reason == string(metav1.StatusReasonAlreadyExists):
		return staysIf(exists)
	case answer.Code == http.StatusConflict && operation.IfRevision != 0:
		return staysIf(func(taken int) bool { return taken == 0 || c.conflicts(operation, changes[taken-1]) })
	default:
		return nil
	}
}

// unexplainedShown is how many requests of an object are shown that the longest order found has no room for.
const unexplainedShown = 5

// unexplained are the requests that the longest order found has no room for, and the object's changes around them.
func (c *checker) unexplained(model porcupine.Model, history []porcupine.Operation, changes []int) []any {
	_, info := porcupine.CheckOperationsVerbose(model, history, c.options.Patience)
	var longest []int
	for _, partition := range info.PartialLinearizations() {
		for _, partial := range partition {
			if len(partial) > len(longest) {
				longest = partial
			}
		}
	}
	evidence := []any{fmt.Sprintf("the longest order has %d of %d requests and changes, and no room for:",
		len(longest), len(history))}
	for i, operation := range history {
		if len(evidence) <= unexplainedShown && !slices.Contains(longest, i) {
			evidence = append(evidence, operation.Input.(step).subject)
		}
	}
	evidence = append(evidence, "changes of the object:")
	for _, place := range changes[max(0, len(changes)-2*unexplainedShown):] {
		evidence = append(evidence, c.timeline.changes[place])
	}
	return evidence
}
