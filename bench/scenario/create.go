package scenario

import (
	"bytes"
	"context"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Creates. They go to the scratch namespace, so that they do not grow the lists.
var (
	create = Scenario{
		Name:  "create",
		Title: "Create",
		Why:   "The whole write path: decode, default, validate, admit, encode, one durable write.",
		Loop:  load.Closed{Workers: 1}, Population: Small, Length: 1, Start: startCreate,
	}
	create8 = Scenario{
		Name:  "create-8",
		Title: "Create, 8 at once",
		Why:   "etcd makes several writes durable at once, so what is not its share of the path counts for more.",
		Level: Standard, Loop: load.Closed{Workers: 8}, Population: Small, Length: 1, Start: startCreate,
	}
	create32 = Scenario{
		Name:  "create-32",
		Title: "Create, 32 at once",
		Why:   "The write path at its limit.",
		Level: Full, Loop: load.Closed{Workers: 32}, Population: Small, Length: 1, Start: startCreate,
	}
	createRate = Scenario{
		Name:  "create-rate",
		Title: "Create, 100 per second",
		Why:   "The same load for every arm, and the wait from the intended start.",
		Level: Standard, Loop: load.Open{Rate: 100, Workers: 32}, Population: Small, Length: 4.5, Start: startCreate,
	}
	create16K = Scenario{
		Name:  "create-16k",
		Title: "Create, 16 KB",
		Why:   "Decoding, validating and encoding grow with the object; a webhook reads all of it once more.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Medium, Needs: arm.Keep, Length: 1, Start: startCreate,
	}
	create128K = Scenario{
		Name:  "create-128k",
		Title: "Create, 128 KB",
		Why:   "The same for an object as large as they should ever be.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Large, Needs: arm.Keep, Length: 1, Start: startCreate,
	}
)

func startCreate(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	return creating(ctx, s, cell, "new")
}

// creating creates objects whose names begin so.
func creating(ctx context.Context, s *Subject, cell Cell, prefix string) (load.Op, func() error, error) {
	bodies := make([][]byte, cell.Workers)
	answers := make([]bytes.Buffer, cell.Workers)
	made := make([][]arm.Object, cell.Workers)
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		object := s.fresh(prefix, 1)[0]
		body, err := s.Arm.Kind.Append(bodies[call.Worker][:0], s.Arm.Encoding, object)
		if err != nil {
			return time.Time{}, err
		}
		bodies[call.Worker] = body
		made[call.Worker] = append(made[call.Worker], object) // also if it fails: nobody knows what became of it then
		answer := &answers[call.Worker]
		done, err := s.Client.Create(ctx, object.Namespace, object.Name, body, answer)
		return s.holding(1, answer, done, err)
	}
	stop := func() error {
		var all []arm.Object
		for _, objects := range made {
			all = append(all, objects...)
		}
		return s.remove(ctx, all)
	}
	return op, stop, nil
}
