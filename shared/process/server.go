package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Server serves a Runner to Clients, as JSON over HTTP. It has no authentication of its own: who can open the socket
// can run any program as its owner, so Listen makes one that only its owner can open.
type Server struct {
	Runner Runner
	// Shutdown is called once a client asks the program to end; it must not wait for the end.
	Shutdown func()
}

// Info is what a server says about itself.
type Info struct {
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"startedAt"`
}

// errorBody carries the typed errors of Runner across the socket.
type errorBody struct {
	Message    string           `json:"message"`
	Unknown    *UnknownError    `json:"unknown,omitempty"`
	NotRunning *NotRunningError `json:"notRunning,omitempty"`
	Closed     bool             `json:"closed,omitempty"`
}

// maxBody is far above any command line; a larger request is a mistake.
const maxBody = 1 << 20

// Serve answers requests until the context ends, and then lets the open ones finish for at most a second.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(limited) != nil {
			_ = server.Close()
		}
	})
	defer stopped()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("could not serve the supervisor's socket: %w", err)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	info := Info{PID: os.Getpid(), StartedAt: time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, _ *http.Request) { respond(w, info, nil) })
	mux.HandleFunc("POST /shutdown", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, nil, nil)
		s.Shutdown()
	})
	mux.HandleFunc("GET /processes", func(w http.ResponseWriter, r *http.Request) {
		statuses, err := s.Runner.List(r.Context())
		respond(w, statuses, err)
	})
	mux.HandleFunc("POST /run", func(w http.ResponseWriter, r *http.Request) {
		var spec Spec
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&spec); err != nil {
			respond(w, nil, fmt.Errorf("could not read the process to run: %w", err))
			return
		}
		respond(w, nil, s.Runner.Run(r.Context(), spec))
	})
	for action, do := range map[string]func(context.Context, string) error{
		"stop": s.Runner.Stop, "kill": s.Runner.Kill, "pause": s.Runner.Pause, "resume": s.Runner.Resume,
		"restart": s.Runner.Restart,
	} {
		// The name is a parameter and not a part of the path, which would be cleaned.
		mux.HandleFunc("POST /"+action, func(w http.ResponseWriter, r *http.Request) {
			respond(w, nil, do(r.Context(), r.URL.Query().Get("name")))
		})
	}
	return mux
}

func respond(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		body := errorBody{Message: err.Error(), Closed: errors.Is(err, ErrClosed)}
		errors.As(err, &body.Unknown)
		errors.As(err, &body.NotRunning)
		w.WriteHeader(http.StatusUnprocessableEntity)
		value = body
	}
	// The client went away when this fails, and nobody else would learn of it.
	_ = json.NewEncoder(w).Encode(value)
}
