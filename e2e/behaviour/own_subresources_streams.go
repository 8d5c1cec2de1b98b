package behaviour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	gorilla "github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var streamRows = []Row{
	{
		ID: "D6", Group: Subresource, Title: "Requests of more than a minute",
		Why: "kube-apiserver ends what it forwards after 60 seconds, unless it is a watch or the subresource has one of " +
			"five names: a stream under another name is cut off, whatever the server behind does.",
		Source: "kubernetes pkg/controlplane/apiserver/config.go, LongRunningFunc (attach, exec, log, portforward, proxy); " +
			"kubernetes#73421, #83200", Flag: Undocumented, Labels: []string{Slow}, Site: true,
		Expect: Expectation{
			CRD: "a create that trickles in 504 " + wire.NoStatus + ", a restart that trickles in 404 NotFound; " +
				"log 404 NotFound",
			Aggregated: "a create that trickles in 504 " + wire.NoStatus + ", a restart that trickles in 504 " +
				wire.NoStatus + "; log 200, and what is logged after that comes",
		},
		Probe: longRequests,
	},
	{
		ID: "D7", Group: Subresource, Title: "WebSocket",
		Why: "A browser, or anything that talks in both directions, needs the connection to itself, " +
			"through the proxy and as the user who opened it.",
		Source: "kube-aggregator pkg/apiserver/handler_proxy.go: upgrades are dialled with the user's headers; " +
			"apiserver serves any streamed answer over a WebSocket", Flag: Documented, Site: true,
		Expect: Expectation{
			CRD:        "without the right 403 Forbidden, with it 404 NotFound",
			Aggregated: "without the right 403 Forbidden, with it 101, and the log comes in frames",
		},
		Probe: overWebSocket,
	},
}

// patientTries of a request that takes a minute.
const patientTries = 3

// trickling is the answer to an object that comes to no end. On a busy machine the server behind may give up in the very
// moment in which kube-apiserver does, which then breaks off what it has begun to pass on: that is no answer, and it is
// asked again.
func (s *Subject) trickling(ctx context.Context, path string) (answer *wire.Answer, err error) {
	for range patientTries {
		if answer, err = s.trickle(ctx, path); err == nil || ctx.Err() != nil {
			break
		}
	}
	return answer, err
}

// trickle begins to send an object, and sends no more of it until it was answered.
func (s *Subject) trickle(ctx context.Context, path string) (*wire.Answer, error) {
	body, rest := io.Pipe()
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		_, _ = io.WriteString(rest, "{") // It fails if the answer comes before anybody reads.
	}()
	answer, err := s.post(ctx, path, body)
	// Whoever still wants the body is told that it does not come.
	closing := errors.Join(rest.CloseWithError(io.ErrUnexpectedEOF), body.Close())
	<-begun
	return answer, errors.Join(err, closing)
}

func longRequests(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	container, err := s.serverWithLog(ctx)
	if err != nil {
		return Observation{}, err
	}
	text, log, err := s.client.Follow(ctx, s.path("db", "log"), wire.Query("follow", "true"))
	if err != nil {
		return Observation{}, err
	}
	var create, restart *wire.Answer
	slow, slowly := errgroup.WithContext(ctx)
	slow.Go(func() (err error) { create, err = s.trickling(slowly, s.path()); return err })
	slow.Go(func() (err error) { restart, err = s.trickling(slowly, s.path("db", "restart")); return err })
	if err := slow.Wait(); err != nil {
		return Observation{}, err
	}
	seen := log.Verdict()
	if text != nil {
		defer text.Close()
		comes, err := container.after(ctx, text)
		if err != nil {
			return Observation{}, err
		}
		seen += ", " + comes
	}
	return observed("a create that trickles in %s, a restart that trickles in %s; log %s",
		create.Verdict(), restart.Verdict(), seen)
}

// followedWithin is how long a line waits for somebody who follows the log, before there is nobody.
const followedWithin = 10 * time.Second

// after says whether a line that is logged now comes to somebody who has been following since before.
func (k *kubelet) after(ctx context.Context, text *wire.Text) (string, error) {
	const line = "still here"
	listening, cancel := context.WithTimeout(ctx, followedWithin)
	defer cancel()
	if err := k.log(listening, line); err != nil {
		return "and nobody listens any longer", nil
	}
	for _, want := range []string{firstLine, line} {
		got, err := text.Next()
		switch {
		case errors.Is(err, io.EOF):
			return "and it ended before that", nil
		case err != nil:
			return "", err
		case got != want:
			return "", fmt.Errorf("the log has %q, want %q", got, want)
		}
	}
	return "and what is logged after that comes", nil
}

func overWebSocket(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	if _, err := s.serverWithLog(ctx); err != nil {
		return Observation{}, err
	}
	config, err := s.User("listener")
	if err != nil {
		return Observation{}, fmt.Errorf("could not get access for a user: %w", err)
	}
	config = s.recorder.Wrap(config)
	refused, err := s.upgrade(ctx, config)
	if err != nil {
		return Observation{}, err
	}
	if err := s.grant(ctx, "listener", fixture.Resource+"/log", "get"); err != nil {
		return Observation{}, err
	}
	var seen string
	err = eventually(ctx, "the role in force", func(ctx context.Context) (bool, error) {
		seen, err = s.upgrade(ctx, config)
		return err == nil && seen != refused, err
	})
	return Observation{Summary: fmt.Sprintf("without the right %s, with it %s", refused, seen)}, err
}

// upgrade asks for the log over a WebSocket, and says what comes of it.
func (s *Subject) upgrade(ctx context.Context, config *rest.Config) (string, error) {
	transport, holder, err := websocket.RoundTripperFor(config)
	if err != nil {
		return "", fmt.Errorf("could not make a WebSocket client: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+s.path("db", "log"), nil)
	if err != nil {
		return "", fmt.Errorf("could not make a request: %w", err)
	}
	connection, err := websocket.Negotiate(transport, holder, request, "binary.k8s.io")
	if err != nil {
		// It keeps its cause from errors.As.
		var failure *httpstream.UpgradeFailureError
		var refusal apierrors.APIStatus
		if errors.As(err, &failure) && errors.As(failure.Cause, &refusal) {
			return fmt.Sprintf("%d %s", refusal.Status().Code, refusal.Status().Reason), nil
		}
		return "", fmt.Errorf("could not open a WebSocket: %w", err)
	}
	defer connection.Close()
	return inFrames(connection)
}

// inFrames says whether the log comes. The first frame is empty, and says that the stream is open.
func inFrames(connection *gorilla.Conn) (string, error) {
	for {
		kind, frame, err := connection.ReadMessage()
		if err != nil {
			return "", fmt.Errorf("could not read a frame: %w", err)
		}
		if kind == gorilla.BinaryMessage && string(frame) == firstLine+"\n" {
			return "101, and the log comes in frames", nil
		}
		if len(frame) > 0 {
			return fmt.Sprintf("101, and something else comes: %q", frame), nil
		}
	}
}
