package behaviour

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/install"
)

// namespaces is an API server that knows nothing but namespaces, and lets them go at once.
type namespaces struct {
	mu    sync.Mutex
	known map[string]bool
	ever  int
}

func (n *namespaces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var answer any
	code := http.StatusOK
	name := strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/")
	switch {
	case r.Method == http.MethodPost:
		namespace := &corev1.Namespace{}
		if err := json.NewDecoder(r.Body).Decode(namespace); err != nil {
			code = http.StatusBadRequest
			break
		}
		namespace.Name = namespace.GenerateName + "x"
		n.known[namespace.Name] = true
		n.ever++
		answer = namespace
	case !n.known[name]:
		refusal := apierrors.NewNotFound(corev1.Resource("namespaces"), name)
		code, answer = http.StatusNotFound, refusal.Status()
	case r.Method == http.MethodDelete:
		delete(n.known, name)
		answer = &corev1.Namespace{}
	default:
		answer = &corev1.Namespace{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}

func newSubject(t *testing.T) (*Subject, *namespaces) {
	t.Helper()
	cluster := &namespaces{known: map[string]bool{}}
	server := httptest.NewServer(cluster)
	t.Cleanup(server.Close)
	return &Subject{
		Form: install.CRD, Profile: "plain",
		Capabilities: sets.New(install.GoValidation),
		Config:       &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}},
	}, cluster
}

func probing(probe func(context.Context, *Subject) (Observation, error)) Row {
	return Row{ID: "T1", Expect: Both("as expected"), Probe: probe}
}

func TestRun(t *testing.T) {
	tests := map[string]struct {
		row            Row
		wantObserved   string
		wantUnexpected bool
		wantError      string
		wantReason     string
	}{
		"the observation is the expected one": {
			row: probing(func(context.Context, *Subject) (Observation, error) {
				return observed("as %s", "expected")
			}),
			wantObserved: "as expected",
		},
		"the observation is another one": {
			row: probing(func(context.Context, *Subject) (Observation, error) {
				return observed("otherwise")
			}),
			wantObserved: "otherwise", wantUnexpected: true,
		},
		"there is no observation": {
			row: probing(func(context.Context, *Subject) (Observation, error) {
				return Observation{}, errors.New("could not look")
			}),
			wantUnexpected: true, wantError: "could not look",
		},
		"the probe panics": {
			row: probing(func(context.Context, *Subject) (Observation, error) {
				panic("no such thing")
			}),
			wantUnexpected: true, wantError: "the probe panicked: no such thing",
		},
		"the form cannot do what the row needs": {
			row:        Row{ID: "T1", Needs: []install.Capability{install.GoValidation, install.MultipleVersions}},
			wantReason: "the crd form's profile plain has no multiple versions",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			subject, cluster := newSubject(t)
			result := Run(t.Context(), subject, []Row{tt.row}, nil)[0]
			if result.Observed != tt.wantObserved || result.Unexpected != tt.wantUnexpected ||
				result.NotApplicable != tt.wantReason || !strings.Contains(result.Error, tt.wantError) ||
				(tt.wantError == "") != (result.Error == "") {
				t.Errorf("unexpected result: %+v", result)
			}
			if len(cluster.known) != 0 {
				t.Errorf("namespaces were left behind: %v", cluster.known)
			}
			if applies := tt.wantReason == ""; applies != (cluster.ever == 1) {
				t.Errorf("%d namespaces were made", cluster.ever)
			}
		})
	}
}

func TestRunGivesEachRowItsOwnNamespaceAndRecord(t *testing.T) {
	subject, _ := newSubject(t)
	look := func(ctx context.Context, s *Subject) (Observation, error) {
		if _, err := s.get(ctx, "/api/v1/namespaces/"+s.Namespace); err != nil {
			return Observation{}, err
		}
		return observed("%s", s.Namespace)
	}
	var rows []Row
	for _, id := range []string{"T1", "T2", "T3"} {
		rows = append(rows, Row{ID: id, Probe: look})
	}
	rows[2].Labels = []string{Slow}
	var told []string
	results := Run(t.Context(), subject, rows, func(result Result) { told = append(told, result.ID) })
	for i, result := range results {
		if result.ID != rows[i].ID {
			t.Errorf("result %d is of row %s", i, result.ID)
		}
		if want := "duet-row-" + strings.ToLower(result.ID) + "-x"; result.Observed != want {
			t.Errorf("%s ran in namespace %s", result.ID, result.Observed)
		}
		if len(result.Evidence) != 1 || !strings.HasSuffix(result.Evidence[0].Path, result.Observed) {
			t.Errorf("%s has the evidence %+v", result.ID, result.Evidence)
		}
	}
	slices.Sort(told)
	if !slices.Equal(told, []string{"T1", "T2", "T3"}) {
		t.Errorf("progress was told of %v", told)
	}
}

func TestSlowRowsStartFirst(t *testing.T) {
	rows := []Row{{ID: "1"}, {ID: "2", Labels: []string{Slow}}, {ID: "3"}, {ID: "4", Labels: []string{Slow}}}
	if got := slowFirst(rows); !slices.Equal(got, []int{1, 3, 0, 2}) {
		t.Errorf("the order is %v", got)
	}
}

func TestRunCleansUpWhateverTheProbeCameTo(t *testing.T) {
	subject, _ := newSubject(t)
	var undone []string
	undo := func(what string, err error) func(context.Context) error {
		return func(ctx context.Context) error {
			undone = append(undone, what)
			return errors.Join(err, ctx.Err())
		}
	}
	gone := apierrors.NewNotFound(corev1.Resource("things"), "x")
	row := probing(func(_ context.Context, s *Subject) (Observation, error) {
		s.afterwards(undo("first", errors.New("it will not go")))
		s.afterwards(undo("second", gone))
		panic("in the middle")
	})
	result := Run(t.Context(), subject, []Row{row}, nil)[0]
	if !slices.Equal(undone, []string{"second", "first"}) {
		t.Errorf("undone: %v", undone)
	}
	for _, want := range []string{"the probe panicked", "could not clean up: it will not go"} {
		if !strings.Contains(result.Error, want) {
			t.Errorf("the result does not say %q: %s", want, result.Error)
		}
	}
	if strings.Contains(result.Error, gone.Error()) {
		t.Errorf("what is gone already is no error: %s", result.Error)
	}
}
