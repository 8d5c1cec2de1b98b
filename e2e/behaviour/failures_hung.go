package behaviour

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

// hangingRows are about a server that is there and says nothing, and about what clients have open then.
var hangingRows = []Row{
	{
		ID: "G8", Group: Failures, Title: "The form's own server hangs",
		Why:    "A request that waits a minute holds a connection and a seat of everybody who waits with it.",
		Source: "apiserver-aggregation; kube-apiserver's HTTP/2 health check of 30 s and 15 s; webhook timeoutSeconds",
		Flag:   Undocumented, Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "under way: read 200 at once, create 500 InternalError after seconds, " +
				"read in v1alpha1 500 without a reason after half a minute or more; " +
				"once it is noticed: read 200 at once, create 500 InternalError after seconds",
			Aggregated: "under way: read 503 without a Status object after half a minute or more, " +
				"create 503 without a Status object after half a minute or more, " +
				"read in v1alpha1 503 without a Status object after half a minute or more; " +
				"once it is noticed: read 503 without a Status object at once, create 503 without a Status object at once",
		},
		Probe: serverHangs,
	},
	{
		ID: "G9", Group: Failures, Title: "An open watch when the form's own server hangs, and when it dies",
		Why:    "A watch that is silent and not ended is taken for a quiet one: its client acts on what is no longer true.",
		Source: "kubernetes#108344", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "hung: an event arrives; going on: an event arrives; dead: an event arrives",
			Aggregated: "hung: silence; going on: an event arrives; dead: the watch ends",
		},
		Probe: silentWatch,
	},
}

func serverHangs(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.runner().Pause(ctx, server.name); err != nil {
		return Observation{}, err
	}
	tries := []try{
		{title: "read", method: "GET", path: s.path("db")},
		{title: "create", method: "POST", path: s.path(), body: fixture.Instance("other")},
		{title: "read in v1alpha1", method: "GET", path: s.alpha("db")},
	}
	under := make([]string, len(tries))
	var waiting sync.WaitGroup
	for i, try := range tries {
		waiting.Go(func() { under[i] = s.timed(ctx, try) })
	}
	if err := server.missed(ctx); err != nil {
		return Observation{}, err
	}
	var later []string
	for _, try := range tries[:2] {
		later = append(later, s.timed(ctx, try))
	}
	waiting.Wait()
	return observed("under way: %s; once it is noticed: %s", strings.Join(under, ", "), strings.Join(later, ", "))
}

// timed is what a request comes to, and how long it takes.
func (s *Subject) timed(ctx context.Context, try try) string {
	began := time.Now()
	answer, err := s.client.Send(ctx, try.method, try.path, try.body, try.options...)
	if err != nil {
		return fmt.Sprintf("%s no answer %s", try.title, class(time.Since(began)))
	}
	return fmt.Sprintf("%s %s %s", try.title, answer.Verdict(), class(time.Since(began)))
}

// class of a duration. The classes are those of the timeouts behind them, of 5, 10, 30, 45 and 60 seconds, with room
// for a busy machine.
func class(d time.Duration) string {
	switch {
	case d < 4*time.Second:
		return "at once"
	case d < 25*time.Second:
		return "after seconds"
	default:
		return "after half a minute or more"
	}
}

func silentWatch(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	list, err := stored(s.get(ctx, s.path()))
	if err != nil {
		return Observation{}, err
	}
	stream, err := s.client.Watch(ctx, s.path(), wire.Query("resourceVersion", list.GetResourceVersion()))
	if err != nil {
		return Observation{}, err
	}
	defer stream.Close()
	heart := &heartbeat{subject: s, seen: make(chan string, 100)}
	go heart.listen(stream)

	if err := server.runner().Pause(ctx, server.name); err != nil {
		return Observation{}, err
	}
	hung := heart.beat(ctx)
	if err := server.runner().Resume(ctx, server.name); err != nil {
		return Observation{}, err
	}
	resumed := heart.beat(ctx)
	if err := server.runner().Kill(ctx, server.name); err != nil {
		return Observation{}, err
	}
	return observed("hung: %s; going on: %s; dead: %s", hung, resumed, heart.beat(ctx))
}

// heartbeat changes an object again and again, and says what a watch makes of it.
type heartbeat struct {
	subject *Subject
	seen    chan string
	count   int
}

// listen passes on the value of the label of each event, and that there are no more.
func (h *heartbeat) listen(stream *wire.Stream) {
	defer close(h.seen)
	for {
		event, err := stream.Next()
		if err != nil {
			return
		}
		h.seen <- event.Object.GetLabels()["beat"]
	}
}

// beat changes the object and waits a few seconds for the watch to tell.
func (h *heartbeat) beat(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	h.count++
	value := fmt.Sprint(h.count)
	// It is the watch that is looked at: whether the change is accepted shows there.
	_, _ = h.subject.patch(ctx, h.subject.path("db"), `{"metadata":{"labels":{"beat":"`+value+`"}}}`,
		wire.PatchType(types.MergePatchType))
	for {
		select {
		case seen, open := <-h.seen:
			switch {
			case !open:
				return "the watch ends"
			case seen == value:
				return "an event arrives"
			}
		case <-ctx.Done():
			return "silence"
		}
	}
}
