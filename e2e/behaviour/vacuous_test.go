package behaviour

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// senseless are servers that are no API server at all. A row that sees on one of them what it expects of a form looks at
// nothing.
var senseless = map[string]http.HandlerFunc{
	"says yes to everything": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	},
	"has nothing": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
	},
	"fails": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500}`)
	},
}

// senselessTimeout is for a probe that waits for something which such a server never shows.
const senselessTimeout = 3 * time.Second

func TestNoRowIsAsExpectedOfAServerThatMakesNoSense(t *testing.T) {
	for name, handler := range senseless {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			t.Cleanup(server.CloseClientConnections)
			ctx, cancel := context.WithTimeout(t.Context(), senselessTimeout)
			defer cancel()
			var rows sync.WaitGroup
			for _, row := range Rows() {
				if row.Site {
					continue // without processes of its own it is not applicable, which is not a pass
				}
				rows.Go(func() {
					observation, err := probe(ctx, senselessSubject(t, server.URL), row)
					if err == nil && slices.Contains([]string{row.Expect.CRD, row.Expect.Aggregated}, observation.Summary) {
						t.Errorf("%s is as expected of a server that %s: %s", row.ID, name, observation.Summary)
					}
				})
			}
			rows.Wait()
		})
	}
}

func senselessSubject(t *testing.T, url string) *Subject {
	subject := &Subject{Capabilities: sets.New[install.Capability](), Config: &rest.Config{
		Host: url, ContentConfig: rest.ContentConfig{ContentType: "application/json"},
	}}
	own, err := subject.within("nowhere", &wire.Recorder{})
	if err != nil {
		t.Error(err)
	}
	return own
}
