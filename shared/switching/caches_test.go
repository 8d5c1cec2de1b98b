package switching

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
)

// metricsServer has metrics, and answers lists, as it is told to.
func metricsServer(t *testing.T, lists string, metrics *string) *asker {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/metrics":
			_, _ = io.WriteString(w, lists)
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
			asker := metricsServer(t, `{"items": []}`, &metrics)
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
		asker := metricsServer(t, `{"items": []}`, &metrics)
		if _, counted := asker.filledCaches(t.Context()); counted {
			t.Errorf("%s: it counts caches in what does not say", name)
		}
	}
}

func TestCachesAt(t *testing.T) {
	defined, server := `{"metadata": {"continue": ""}, "items": []}`, `{"metadata": {}, "items": []}`
	tests := map[string]struct {
		lists  string
		served bool
		filled int
		want   *int
	}{
		"all are to come": {lists: server, filled: 3, want: ptr.To(3)},
		"a run that goes on after the first version": {lists: defined, filled: 3},
		"the definition has served all along":        {lists: server, served: true, filled: 2},
		"it has, but not in this kube-apiserver":     {lists: server, served: true, filled: 0, want: ptr.To(0)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			metrics := counter(test.filled)
			caches, err := cachesAt(t.Context(), metricsServer(t, test.lists, &metrics), []string{"v1", "v1alpha1"}, test.served)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, caches.before); diff != "" {
				t.Errorf("caches filled before (-want +got):\n%s", diff)
			}
		})
	}
}
