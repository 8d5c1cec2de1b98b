package scenario

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Gets, of one name and of many.
var (
	getOne = Scenario{
		Name:  "get-one",
		Title: "Get, one name",
		Why:   "The cheapest request there is: the price of each hop shows undiluted, and authorization is remembered.",
		Loop:  load.Closed{Workers: 1}, Population: Small, Length: 1.5, // enough for a p99 in each round
		Start: startGets(get, func(*rand.Rand, Population) int { return 0 }),
	}
	getMany = Scenario{
		Name:  "get-many",
		Title: "Get, many names",
		Why: "As a controller or many users read: a server that asks another one whether each name may be read, " +
			"and remembers answers by name, pays here and not in the line above.",
		Level: Quick, Loop: load.Closed{Workers: 1}, Population: Small, Length: 1.5,
		Start: startGets(get, anyMember),
	}
	getCached = Scenario{
		Name:  "get-cached",
		Title: "Get, from the watch cache",
		Why: "With resourceVersion=0 the server may answer from memory: what is left of the lines above without the read " +
			"from etcd.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 1,
		Start: startGets(getFromCache, anyMember),
	}
	getMany8 = Scenario{
		Name:  "get-many-8",
		Title: "Get, many names, 8 at once",
		Why:   "What the servers can do when they are busy: the processors are shared by whoever takes part in a request.",
		Level: Standard, Loop: load.Closed{Workers: 8}, Population: Small, Length: 1,
		Start: startGets(get, anyMember),
	}
	getMany32 = Scenario{
		Name:  "get-many-32",
		Title: "Get, many names, 32 at once",
		Why:   "The servers at their limit: queues, and the seats that priority and fairness gives, are in it.",
		Level: Full, Loop: load.Closed{Workers: 32}, Population: Small, Length: 1,
		Start: startGets(get, anyMember),
	}
	getRate = Scenario{
		Name:  "get-rate",
		Title: "Get, 200 per second",
		Why: "The same load for every arm, and the wait from the intended start: what a caller waits who does not wait for " +
			"others.",
		Level: Standard, Loop: load.Open{Rate: 200, Workers: 32}, Population: Small, Length: 2.25,
		Start: startGets(get, anyMember),
	}
	get16K = Scenario{
		Name:  "get-16k",
		Title: "Get, 16 KB",
		Why:   "What encoding takes grows with the object, and the price of a hop hardly does.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Medium, Needs: arm.Keep, Length: 1,
		Start: startGets(get, anyMember),
	}
	get128K = Scenario{
		Name:  "get-128k",
		Title: "Get, 128 KB",
		Why:   "The same for an object as large as they should ever be.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Large, Needs: arm.Keep, Length: 1,
		Start: startGets(get, anyMember),
	}
)

// anyMember of a population.
func anyMember(random *rand.Rand, of Population) int { return random.IntN(of.Objects) }

// readFunc reads object i of the population.
type readFunc func(ctx context.Context, s *Subject, i int, answer *bytes.Buffer) (time.Time, error)

// startGets reads objects that are picked.
func startGets(
	read readFunc, pick func(random *rand.Rand, of Population) int,
) func(context.Context, *Subject, Cell) (load.Op, func() error, error) {
	return func(_ context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
		answers := make([]bytes.Buffer, cell.Workers)
		sources := cell.sources(s)
		op := func(ctx context.Context, call load.Call) (time.Time, error) {
			return read(ctx, s, pick(sources[call.Worker], s.Population), &answers[call.Worker])
		}
		return op, nil, nil
	}
}

// errShort is an answer that is too small to hold what was asked for.
var errShort = errors.New("answer is shorter than what was asked for")

// get reads from storage.
func get(ctx context.Context, s *Subject, i int, answer *bytes.Buffer) (time.Time, error) {
	done, err := s.Client.Get(ctx, s.Arm.Namespace, Member(i), answer)
	return s.holding(1, answer, done, err)
}

// getFromCache reads what the server has in memory.
func getFromCache(ctx context.Context, s *Subject, i int, answer *bytes.Buffer) (time.Time, error) {
	done, err := s.api().Do(ctx, arm.Request{
		Verb: http.MethodGet, Namespace: s.Arm.Namespace, Name: Member(i), Query: url.Values{"resourceVersion": {"0"}},
	}, answer)
	return s.holding(1, answer, done, err)
}

// holding is the outcome of a request whose answer must be large enough for so many objects.
func (s *Subject) holding(objects int, answer *bytes.Buffer, done time.Time, err error) (time.Time, error) {
	if err == nil && answer.Len() < objects*s.size {
		err = errShort
	}
	return done, err
}
