package switching

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// metricsServer lists what it is told to, and answers lists as a CustomResourceDefinition does.
func metricsServer(t *testing.T, metrics *string) *asker {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/metrics":
			_, _ = io.WriteString(w, `{"metadata": {"continue": ""}, "items": []}`)
		case *metrics == "":
			w.WriteHeader(http.StatusForbidden)
		default:
			_, _ = io.WriteString(w, *metrics)
		}
	}))
	t.Cleanup(server.Close)
	return &asker{client: server.Client(), host: server.URL}
}

func counter(filled int) string {
	return fmt.Sprintf("# TYPE %[1]s counter\n%[1]s{group=\"\",resource=\"pods\"} 9\n"+
		"%[1]s{group=\"mysql.example.com\",resource=\"mysqlinstances\"} %[2]d\n", cachesFilled, filled)
}

func TestCachesAreFilled(t *testing.T) {
	tests := map[string]struct {
		before, now string
		want        string // of the error
	}{
		"none yet":              {before: counter(3), now: counter(3), want: "filled 0 of 2"},
		"one of two":            {before: counter(3), now: counter(4), want: "filled 1 of 2"},
		"both":                  {before: counter(3), now: counter(5)},
		"both, the first time":  {before: "# TYPE x counter\nx 1\n" + counter(0), now: counter(2)},
		"restarted":             {before: counter(3), now: counter(1), want: "filled 1 of 2"},
		"restarted, and filled": {before: counter(3), now: counter(2)},
		"metrics went away":     {before: counter(3), now: "", want: "does not list"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			metrics := test.before
			asker := metricsServer(t, &metrics)
			before, counted := asker.filledCaches(t.Context())
			if !counted {
				t.Fatal("the metrics could not be counted")
			}
			metrics = test.now
			err := (&caches{asker: asker, versions: []string{"v1", "v1alpha1"}, before: &before}).filled(t.Context())
			if got := fmt.Sprint(err); (test.want == "") != (err == nil) || !strings.Contains(got, test.want) && err != nil {
				t.Errorf("filled() = %v, want %q", err, test.want)
			}
		})
	}
}

func TestCachesThatNobodyCounts(t *testing.T) {
	for name, metrics := range map[string]string{"refused": "", "another server": "# TYPE x counter\nx 1\n"} {
		asker := metricsServer(t, &metrics)
		if _, counted := asker.filledCaches(t.Context()); counted {
			t.Errorf("%s: it counts caches in what does not say", name)
		}
	}
}

// A run that goes on after the first version was flipped does not know what had been filled before.
func TestCachesOfARunThatGoesOn(t *testing.T) {
	metrics := counter(3)
	caches, err := cachesAt(t.Context(), metricsServer(t, &metrics), []string{"v1", "v1alpha1"})
	if err != nil || caches.before != nil {
		t.Errorf("cachesAt() = %+v, %v, want one that counts nothing", caches, err)
	}
}
