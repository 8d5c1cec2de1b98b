package scenario

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/duet-api/duet/bench/arm"
)

// Either side may come first, and the time is that of the event.
func TestArrivalsMeetInEitherOrder(t *testing.T) {
	meta := arm.Meta{Name: "a", ResourceVersion: "1"}
	for name, eventFirst := range map[string]bool{"event first": true, "writer first": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newArrivals()
				received := time.Now().Add(time.Second)
				if eventFirst {
					a.add(arm.Event{Meta: meta, Received: received})
				} else {
					go func() {
						time.Sleep(time.Second)
						a.add(arm.Event{Meta: arm.Meta{Name: "a", ResourceVersion: "0"}, Received: time.Now()})
						a.add(arm.Event{Meta: meta, Received: received})
					}()
				}
				got, err := a.wait(t.Context(), meta)
				if err != nil || !got.Equal(received) {
					t.Errorf("wait() = %v, %v, want %v", got, err, received)
				}
				synctest.Wait()
				if len(a.waiting) != 0 {
					t.Errorf("%d writers still wait", len(a.waiting))
				}
			})
		})
	}
}

func TestArrivalThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if _, err := newArrivals().wait(t.Context(), arm.Meta{Name: "a"}); err == nil {
			t.Error("an event that never came was delivered")
		}
		if got := time.Since(began); got != arm.RequestTimeout {
			t.Errorf("gave up after %v, want %v", got, arm.RequestTimeout)
		}
	})
}
