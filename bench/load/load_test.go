package load

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The tests run in a synctest bubble: its clock moves only when everybody sleeps, so that a schedule can be checked to
// the nanosecond on a busy machine.

func plain(err error) string { return err.Error() }

// takes is an operation that succeeds after the given time.
func takes(d time.Duration) Op {
	return func(context.Context, Call) (time.Time, error) {
		time.Sleep(d)
		return time.Time{}, nil
	}
}

// within is the error that three significant digits allow.
func within(t *testing.T, what string, got int64, want time.Duration) {
	t.Helper()
	if diff := float64(got)/float64(want) - 1; diff < -0.002 || diff > 0.002 {
		t.Errorf("%s = %v, want %v", what, time.Duration(got), want)
	}
}

func TestClosedLoopMeasuresServiceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cell := Cell{Op: takes(10 * time.Millisecond), Duration: time.Second, WarmUp: 0.2, Reason: plain}
		result, err := Closed{Workers: 2}.Run(t.Context(), cell)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := result.Latency.TotalCount(), int64(160); got != want {
			t.Errorf("succeeded = %d, want %d", got, want)
		}
		if got, want := result.WarmUp, int64(40); got != want {
			t.Errorf("warm-up = %d, want %d", got, want)
		}
		if got, want := result.Attempts, int64(200); got != want {
			t.Errorf("attempts = %d, want %d", got, want)
		}
		if got, want := result.FirstHalf.TotalCount(), result.SecondHalf.TotalCount(); got != want {
			t.Errorf("halves have %d and %d operations, want equal parts", got, want)
		}
		within(t, "p50", result.Latency.ValueAtPercentile(50), 10*time.Millisecond)
		within(t, "elapsed", int64(result.Elapsed), 800*time.Millisecond)
		if result.Lateness != nil {
			t.Error("a closed loop has no intended start to be late for")
		}
	})
}

func TestSlowOperationsAreMeasuredToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := map[string]struct {
			length          time.Duration
			warmUp, measure int64
			elapsed         time.Duration
		}{
			"one outlasts the cell":       {length: time.Second, warmUp: 2, measure: 2, elapsed: 5 * time.Second},
			"one outlasts the warm-up":    {length: 6 * time.Second, warmUp: 2, measure: 2, elapsed: 5 * time.Second},
			"the last begins in the cell": {length: 11 * time.Second, warmUp: 2, measure: 4, elapsed: 10 * time.Second},
		}
		for name, test := range tests {
			cell := Cell{Op: takes(5 * time.Second), Duration: test.length, WarmUp: 0.2, Reason: plain}
			result, err := Closed{Workers: 2}.Run(t.Context(), cell)
			if err != nil {
				t.Fatal(err)
			}
			if result.Latency.TotalCount() != test.measure || result.WarmUp != test.warmUp {
				t.Errorf("%s: %d succeeded after %d to warm up, want %d after %d", name, result.Latency.TotalCount(), result.WarmUp,
					test.measure, test.warmUp)
			}
			within(t, name+": elapsed", int64(result.Elapsed), test.elapsed)
		}
	})
}

func TestSlicesAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var numbers []int64
		took := time.Duration(0)
		op := func(_ context.Context, call Call) (time.Time, error) {
			numbers = append(numbers, call.N)
			took += time.Second // so that each says when it was
			time.Sleep(took)
			return time.Time{}, nil
		}
		var slices []*Result
		var first int64
		for range 3 {
			result, err := Closed{Workers: 1}.Run(t.Context(), Cell{Op: op, First: first, Duration: 2 * time.Second, Reason: plain})
			if err != nil {
				t.Fatal(err)
			}
			first += result.Attempts
			slices = append(slices, result)
		}
		// The first slice has operations of 1 and 2 seconds, the others one that outlasts them.
		got := Join(slices...)
		if diff := cmp.Diff([]int64{0, 1, 2, 3}, numbers); diff != "" {
			t.Errorf("unexpected numbers of operations (-want +got):\n%s", diff)
		}
		if got.Attempts != 4 || got.Latency.TotalCount() != 4 || got.FirstHalf.TotalCount()+got.SecondHalf.TotalCount() != 4 {
			t.Errorf("%d attempts, %d measured, %d and %d in the halves, want 4, 4, and 4 together", got.Attempts, got.Latency.TotalCount(),
				got.FirstHalf.TotalCount(), got.SecondHalf.TotalCount())
		}
		if got.FirstHalf.TotalCount() != 3 {
			t.Errorf("%d of the operations are in the first half, want those of the first slice and the middle one", got.FirstHalf.TotalCount())
		}
		within(t, "elapsed", int64(got.Elapsed), 10*time.Second)
		within(t, "the longest", got.Latency.Max(), 4*time.Second)
	})
}

func TestTimesMeasuresEachOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cell := Cell{Op: takes(5 * time.Second), WarmUp: 0.2, Reason: plain}
		result, err := Times{Count: 3}.Run(t.Context(), cell)
		if err != nil {
			t.Fatal(err)
		}
		if result.Latency.TotalCount() != 3 || result.WarmUp != 0 || result.Attempts != 3 {
			t.Errorf("%d of %d succeeded after %d to warm up, want all three", result.Latency.TotalCount(), result.Attempts, result.WarmUp)
		}
		within(t, "p50", result.Latency.ValueAtPercentile(50), 5*time.Second)
		within(t, "elapsed", int64(result.Elapsed), 15*time.Second)
	})
}

func TestErrorsAreCountedByReasonAndNotTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := func(_ context.Context, call Call) (time.Time, error) {
			time.Sleep(10 * time.Millisecond)
			switch call.N % 10 {
			case 1:
				return time.Time{}, errors.New("conflict")
			case 2:
				return time.Time{}, errors.New("timeout")
			}
			return time.Time{}, nil
		}
		result, err := Closed{Workers: 1}.Run(t.Context(), Cell{Op: op, Duration: time.Second, WarmUp: 0.5, Reason: plain})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int64{"conflict": 5, "timeout": 5}, result.Errors); diff != "" {
			t.Errorf("unexpected errors (-want +got):\n%s", diff)
		}
		if got, want := result.Latency.TotalCount()+10+result.WarmUp, result.Attempts; got != want {
			t.Errorf("%d operations are accounted for, of %d", got, want)
		}
	})
}

func TestOperationMayStampItsOwnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := func(context.Context, Call) (time.Time, error) {
			time.Sleep(10 * time.Millisecond)
			done := time.Now()
			time.Sleep(30 * time.Millisecond)
			return done, nil
		}
		result, err := Closed{Workers: 1}.Run(t.Context(), Cell{Op: op, Duration: time.Second, Reason: plain})
		if err != nil {
			t.Fatal(err)
		}
		within(t, "max", result.Latency.Max(), 10*time.Millisecond)
	})
}

func TestOpenLoopKeepsItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var mu sync.Mutex
		starts := map[int64]time.Duration{}
		op := func(_ context.Context, call Call) (time.Time, error) {
			mu.Lock()
			starts[call.N] = time.Since(begin)
			mu.Unlock()
			time.Sleep(25 * time.Millisecond)
			return time.Time{}, nil
		}
		result, err := Open{Rate: 100, Workers: 8}.Run(t.Context(), Cell{Op: op, Duration: time.Second, Reason: plain})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(starts), 100; got != want {
			t.Errorf("%d operations were started, want %d", got, want)
		}
		for n, at := range starts {
			if want := time.Duration(n) * 10 * time.Millisecond; at != want {
				t.Errorf("operation %d started at %v, want %v", n, at, want)
			}
		}
		within(t, "p99", result.Latency.ValueAtPercentile(99), 25*time.Millisecond)
		if got, want := result.Lateness.Max(), lowest+lowest; got > want {
			t.Errorf("lateness is up to %v, want none", time.Duration(got))
		}
	})
}

// One stall of 300 ms in a server that one worker calls every 10 ms delays the thirty callers behind it. A loop with
// coordinated omission would show one slow call.
func TestOpenLoopChargesAStallToEveryoneItDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := func(_ context.Context, call Call) (time.Time, error) {
			if call.N == 50 {
				time.Sleep(300 * time.Millisecond)
			} else {
				time.Sleep(time.Millisecond)
			}
			return time.Time{}, nil
		}
		cell := Cell{Op: op, Duration: time.Second, Reason: plain}
		result, err := Open{Rate: 100, Workers: 1}.Run(t.Context(), cell)
		if err != nil {
			t.Fatal(err)
		}
		// Caller 50+k waits for the stall to end and for those before it: 300 - 10k + k + 1 ms, until that is 1 ms.
		var slow int64
		for _, bar := range result.Latency.Distribution() {
			if bar.From > int64(5*time.Millisecond) {
				slow += bar.Count
			}
		}
		if got, want := slow, int64(33); got != want {
			t.Errorf("%d callers were slow, want %d", got, want)
		}
		within(t, "max", result.Latency.Max(), 300*time.Millisecond)
		within(t, "lateness", result.Lateness.Max(), 290*time.Millisecond)
	})
}

// One that is alone is due at the beginning, where the lead is.
func TestOpenLoopMeasuresItsOnlyOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result, err := Open{Rate: 10, Workers: 1}.Run(t.Context(), Cell{
			Op: takes(time.Millisecond), Duration: 50 * time.Millisecond, WarmUp: 0.2, Reason: plain,
		})
		if err != nil {
			t.Fatal(err)
		}
		if result.Latency.TotalCount() != 1 || result.WarmUp != 0 {
			t.Errorf("%d operations were measured, %d in the lead, want the one", result.Latency.TotalCount(), result.WarmUp)
		}
	})
}

func TestOpenLoopDoesEveryDueOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The server manages 50 per second of the 100 that come.
		cell := Cell{Op: takes(20 * time.Millisecond), Duration: time.Second, WarmUp: 0.25, Reason: plain}
		result, err := Open{Rate: 100, Workers: 1}.Run(t.Context(), cell)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := result.Attempts, int64(100); got != want {
			t.Errorf("attempts = %d, want %d", got, want)
		}
		if got, want := result.WarmUp, int64(25); got != want {
			t.Errorf("warm-up = %d, want %d: it goes by intended start", got, want)
		}
		within(t, "max", result.Latency.Max(), 1010*time.Millisecond)
	})
}

func TestCancelledCellIsNoMeasurement(t *testing.T) {
	for name, loop := range map[string]Loop{
		"closed": Closed{Workers: 2}, "open": Open{Rate: 100, Workers: 2}, "times": Times{Count: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				var running atomic.Int64
				op := func(ctx context.Context, _ Call) (time.Time, error) {
					running.Add(1)
					defer running.Add(-1)
					time.Sleep(10 * time.Millisecond)
					return time.Time{}, ctx.Err()
				}
				result, err := loop.Run(ctx, Cell{Op: op, Duration: time.Hour, Reason: plain})
				if result != nil || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Run() = %v, %v, want no result and the context's error", result, err)
				}
				if got := running.Load(); got != 0 {
					t.Errorf("%d operations are still running", got)
				}
			})
		})
	}
}

func TestRefusesWhatCannotRun(t *testing.T) {
	good := Cell{Op: takes(0), Duration: time.Second, Reason: plain}
	tests := map[string]struct {
		loop Loop
		cell Cell
		want string
	}{
		"no operation":       {Closed{Workers: 1}, Cell{Duration: 1, Reason: plain}, "needs an operation"},
		"no duration":        {Closed{Workers: 1}, Cell{Op: good.Op, Reason: plain}, "not positive"},
		"all warm-up":        {Open{Rate: 1, Workers: 1}, Cell{Op: good.Op, Duration: 1, WarmUp: 1, Reason: plain}, "[0, 1)"},
		"no times":           {Times{}, good, "0 times"},
		"no closed workers":  {Closed{}, good, "0 workers"},
		"no open workers":    {Open{Rate: 1}, good, "0 workers"},
		"no arrivals at all": {Open{Workers: 1}, good, "0 per second"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := test.loop.Run(t.Context(), test.cell); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run() = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestShareIsOfACapacity(t *testing.T) {
	half := Share{Of: 0.5, Workers: 3}
	for capacity, want := range map[float64]Open{
		1001: {Rate: 501, Workers: 3}, 10: {Rate: 5, Workers: 3}, 0.1: {Rate: 1, Workers: 3},
	} {
		if diff := cmp.Diff(want, half.At(capacity)); diff != "" {
			t.Errorf("half of %v: unexpected loop (-want +got):\n%s", capacity, diff)
		}
	}
	if _, err := half.Run(t.Context(), Cell{Op: takes(0), Duration: time.Second, Reason: plain}); err == nil {
		t.Error("a share of nothing was run")
	}
	if got := half.String(); !strings.Contains(got, "50 % of the arm's own capacity") {
		t.Errorf("the loop says %q of itself", got)
	}
}
