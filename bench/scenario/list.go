package scenario

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Lists of all objects, as they are and at once. list_part.go and list_form.go have the others.
var (
	list500 = Scenario{
		Name:  "list-500",
		Title: "List 500 objects",
		Why: "Encoding dominates: typed objects against maps. Consistent (no resource version), so a server that " +
			"shares its etcd with other writers may have to wait for a progress notification of up to 100 ms.",
		Loop: load.Closed{Workers: 1}, Population: Small, Length: 2,
		Start: startList(listAll, population),
	}
	listCached = Scenario{
		Name:  "list-cached",
		Title: "List 500 objects, from the watch cache",
		Why:   "With resourceVersion=0 the server answers with what it has: encoding alone, without the wait for etcd.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 2,
		Start: startList(asked(func(*Subject) arm.Request {
			return arm.Request{Query: url.Values{"resourceVersion": {"0"}}}
		}), population),
	}
	listBusy = Scenario{
		Name:  "list-busy",
		Title: "List 500 objects, beside 50 writes per second",
		Why: "Somebody else writes other objects to the etcd of kube-apiserver, as nodes do with their Leases: a " +
			"consistent list then waits until etcd says how far it is, unless the server has an etcd of its own.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 3,
		Alone: true, Start: startListBusy,
	}
	list4 = Scenario{
		Name:  "list-4",
		Title: "List 500 objects, 4 at once",
		Why:   "More lists than processors: they queue where they are encoded.",
		Level: Full, Loop: load.Closed{Workers: 4}, Population: Small, Length: 2,
		Start: startList(listAll, population),
	}
	list16K = Scenario{
		Name:  "list-16k",
		Title: "List 64 objects of 16 KB",
		Why:   "As many bytes as 500 small objects, in an eighth of the number: what is the price of a byte.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Medium, Needs: arm.Keep, Length: 2,
		Start: startList(listAll, population),
	}
)

// listFunc reads a list.
type listFunc func(ctx context.Context, s *Subject, answer *bytes.Buffer) (time.Time, error)

// listAll reads the population, consistently.
func listAll(ctx context.Context, s *Subject, answer *bytes.Buffer) (time.Time, error) {
	return s.Client.List(ctx, s.Arm.Namespace, answer)
}

// asked reads the population, or a part of it, as a request says.
func asked(how func(s *Subject) arm.Request) listFunc {
	return func(ctx context.Context, s *Subject, answer *bytes.Buffer) (time.Time, error) {
		request := how(s)
		request.Verb, request.Namespace = http.MethodGet, s.Arm.Namespace
		return s.api().Do(ctx, request, answer)
	}
}

// startList reads a list again and again. The check looks at the first answer, outside of the measured time: it may
// take as long as it likes. The others must be about as large.
func startList(
	read listFunc, check func(s *Subject, answer []byte) error,
) func(context.Context, *Subject, Cell) (load.Op, func() error, error) {
	return func(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
		answers := make([]bytes.Buffer, cell.Workers)
		if _, err := read(ctx, s, &answers[0]); err != nil {
			return nil, nil, err
		}
		if err := check(s, answers[0].Bytes()); err != nil {
			return nil, nil, err
		}
		least := leastOf(answers[0].Len())
		op := func(ctx context.Context, call load.Call) (time.Time, error) {
			answer := &answers[call.Worker]
			done, err := read(ctx, s, answer)
			if err == nil && answer.Len() < least {
				err = errShort
			}
			return done, err
		}
		return op, nil, nil
	}
}

// leastOf is the least that the answers after one of that size have: the same, but for a few digits.
func leastOf(size int) int { return size - size/10 }

// population checks that a list is all of the population.
func population(s *Subject, list []byte) error {
	_, items, err := s.Client.Items(list)
	if err != nil {
		return err
	}
	return checkMembers(items, s.Population.Objects)
}

// checkMembers reports a list that does not have so many of the population. One stranger does not matter: Kubernetes
// itself puts a ConfigMap into each namespace.
func checkMembers(items []arm.Meta, want int) error {
	members := map[string]bool{}
	for _, item := range items {
		if strings.HasPrefix(item.Name, memberPrefix) {
			members[item.Name] = true
		}
	}
	if strangers := len(items) - len(members); len(members) != want || strangers > 1 {
		return fmt.Errorf("the list has %d of %d members and %d other objects", len(members), want, strangers)
	}
	return nil
}
