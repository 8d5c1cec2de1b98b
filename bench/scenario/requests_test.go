package scenario_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/internal/fakeapi"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/scenario"
)

// What the operation of each scenario asks a server for, and in which form.
func TestOperationsSendWhatTheySay(t *testing.T) {
	const (
		members = "/apis/mysql.example.com/v1/namespaces/ns/mysqlinstances"
		scratch = "/apis/mysql.example.com/v1/namespaces/ns-scratch/mysqlinstances"
		json    = "application/json"
		as      = ";g=meta.k8s.io;v=v1"
	)
	tests := map[string][]string{
		"get-one":    {"GET " + members + "/member-000000 " + json},
		"get-cached": {"GET " + members + "/member-000299?resourceVersion=0 " + json},
		"get-16k":    {"GET /apis/mysql.example.com/v1/namespaces/ns-16k/mysqlinstances/member-000003 " + json},
		"list-500":   {"GET " + members + " " + json},
		"list-cached": {
			"GET " + members + "?resourceVersion=0 " + json,
		},
		"list-pages": {
			"GET " + members + "?limit=100 " + json,
			"GET " + members + "?continue=100&limit=100 " + json,
			"GET " + members + "?continue=200&limit=100 " + json,
			"GET " + members + "?continue=300&limit=100 " + json,
			"GET " + members + "?continue=400&limit=100 " + json,
		},
		"list-label":    {"GET " + members + "?labelSelector=bench.duet.example.com/set=07 " + json},
		"list-field":    {"GET " + members + "?fieldSelector=spec.version=8.4.4 " + json},
		"list-metadata": {"GET " + members + " " + json + ";as=PartialObjectMetadataList" + as},
		"list-table":    {"GET " + members + " " + json + ";as=Table" + as},
		"list-gzip":     {"GET " + members + " " + json + " gzip"},
		"create":        {"POST " + scratch + " " + json},
		"update":        {"PUT " + members + "/member-000100 " + json},
		"create-old-version": {
			"POST /apis/mysql.example.com/v1alpha1/namespaces/ns-scratch/mysqlinstances " + json,
		},
		"update-old-version": {
			"PUT /apis/mysql.example.com/v1alpha1/namespaces/ns-scratch/mysqlinstances/dated-00 " + json,
		},
		"conflict-storm": {
			"GET " + members + "/member-000401 " + json,
			"PUT " + members + "/member-000401 " + json,
		},
		"get-at-50":   {"GET " + members + "/member-000299 " + json},
		"status":      {"PUT " + scratch + "/settled-00/status " + json},
		"merge-patch": {"PATCH " + scratch + "/patched-00 " + json + " application/merge-patch+json"},
		"apply":       {"PATCH " + scratch + "/applied-00?fieldManager=duet-bench " + json + " application/apply-patch+yaml"},
		"delete":      {"DELETE " + scratch + "/doomed-N " + json},
		"delete-collection": {
			"DELETE " + scratch + "?labelSelector=bench.duet.example.com/set=batch-N " + json,
		},
		"apply-5":  {"PATCH " + scratch + "/managed-00?fieldManager=duet-bench " + json + " application/apply-patch+yaml"},
		"apply-20": {"PATCH " + scratch + "/shared-00?fieldManager=duet-bench " + json + " application/apply-patch+yaml"},
		"get-old-version": {
			"GET /apis/mysql.example.com/v1alpha1/namespaces/ns/mysqlinstances/member-000000 " + json,
		},
		"list-old-version": {"GET /apis/mysql.example.com/v1alpha1/namespaces/ns/mysqlinstances " + json},
		"get-of-1k":        {"GET /apis/mysql.example.com/v1/namespaces/ns-n1000/mysqlinstances/member-000598 " + json},
		"page-of-1k":       {"GET /apis/mysql.example.com/v1/namespaces/ns-n1000/mysqlinstances?limit=500 " + json},
		"watch-list": {
			"GET " + members + "?allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&watch=1 " + json,
		},
	}
	server := fakeapi.New(t)
	subjects := subjectsOn(t, server)
	digits := regexp.MustCompile(`\d{9}`)
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			s := named(t, name)
			server.Intercept = nil
			op, stop, err := s.Start(t.Context(), subjects[s.Population], scenario.Cell{Seed: 1, Workers: 1, Operations: 1})
			if err != nil {
				t.Fatal(err)
			}
			var sent []string
			server.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				line, err := url.QueryUnescape(r.Method + " " + r.URL.RequestURI())
				if err != nil {
					t.Error(err)
				}
				line += " " + r.Header.Get("Accept")
				if kind := r.Header.Get("Content-Type"); kind != "" && kind != json {
					line += " " + kind
				}
				if r.Header.Get("Accept-Encoding") != "" {
					line += " gzip"
				}
				sent = append(sent, digits.ReplaceAllString(line, "N"))
				return false
			}
			if _, err := op(t.Context(), load.Call{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, sent); diff != "" {
				t.Errorf("unexpected requests (-want +got):\n%s", diff)
			}
			if stop == nil {
				return
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A server may answer quickly what was not asked for. Then the cell does not begin.
func TestListsBeginOnlyOnWhatWasAskedFor(t *testing.T) {
	ignore := func(parameters ...string) func(*http.Request) {
		return func(r *http.Request) {
			query := r.URL.Query()
			for _, parameter := range parameters {
				query.Del(parameter)
			}
			r.URL.RawQuery = query.Encode()
		}
	}
	without := func(header string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(header) } }
	tests := map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"list-pages":       {ignore("limit"), "did not come in pages"},
		"list-label":       {ignore("labelSelector"), "not selected"},
		"list-field":       {ignore("fieldSelector"), "not selected"},
		"list-metadata":    {without("Accept"), "not one of metadata"},
		"list-table":       {without("Accept"), "no table"},
		"list-gzip":        {without("Accept-Encoding"), "not compressed"},
		"list-old-version": {func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "v1alpha1", "v1", 1) }, "old version"},
		"list-500":         {func(r *http.Request) { r.URL.RawQuery = "limit=499" }, "499 of 500 members"},
	}
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				test.change(r)
				return false
			}
			_, _, err := named(t, name).Start(t.Context(), subject, scenario.Cell{Workers: 1})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Start() = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestInitialEventsThatAreMissing(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	server.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`{"type":"BOOKMARK","object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}}`))
		return true
	}
	_, _, err := named(t, "watch-list").Start(t.Context(), subject, scenario.Cell{Workers: 1})
	if err == nil || !strings.Contains(err.Error(), "0 events for 500 objects") {
		t.Errorf("Start() = %v, want an error that counts the events", err)
	}
}

// An answer that has less in it than before is no success, whatever its code says.
func TestShortAnswersAreErrors(t *testing.T) {
	server := fakeapi.New(t)
	subjects := subjectsOn(t, server)
	for _, name := range []string{
		"get-cached", "get-16k", "get-old-version", "create", "list-cached", "list-pages", "list-label", "list-table",
		"list-busy", "page-of-1k", "delete-collection",
	} {
		t.Run(name, func(t *testing.T) {
			s := named(t, name)
			var short atomic.Bool
			server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if !short.Load() || strings.Contains(r.URL.Path, "/leases") {
					return false
				}
				_, _ = w.Write([]byte(`{"metadata":{"name":"a","resourceVersion":"1"},"items":[],"rows":[]}`))
				return true
			}
			op, stop, err := s.Start(t.Context(), subjects[s.Population], scenario.Cell{Workers: 1, Operations: 1})
			if err != nil {
				t.Fatal(err)
			}
			short.Store(true)
			_, err = op(t.Context(), load.Call{})
			want := "answer is shorter than what was asked for"
			if name == "list-pages" {
				want = "the list did not come in pages"
			}
			if err == nil || arm.Reason(err) != want {
				t.Errorf("the operation gave %v, want %q", err, want)
			}
			short.Store(false)
			if stop != nil {
				_ = stop() // what it makes of a server that lies is not the matter here
			}
		})
	}
}

// A write must have been one: the same object again is what a server answers that wrote nothing.
func TestWritesThatWriteNothingAreErrors(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	for _, name := range []string{"update", "update-old-version", "status", "merge-patch", "apply", "apply-20", "conflict-storm"} {
		t.Run(name, func(t *testing.T) {
			server.Intercept = nil
			op, _, err := named(t, name).Start(t.Context(), subject, scenario.Cell{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet {
					return false
				}
				object := strings.TrimSuffix(r.URL.Path, "/status")
				read := httptest.NewRequestWithContext(r.Context(), http.MethodGet, object, http.NoBody)
				server.ServeHTTP(w, read)
				return true
			}
			if _, err := op(t.Context(), load.Call{}); err == nil || arm.Reason(err) != "resourceVersion did not change" {
				t.Errorf("a write that wrote nothing gave %v", err)
			}
		})
	}
}

func TestDeletesThatDeleteNothingAreNoticed(t *testing.T) {
	for _, name := range []string{"delete", "delete-collection"} {
		t.Run(name, func(t *testing.T) {
			server := fakeapi.New(t)
			subject := newSubject(t, server)
			op, stop, err := named(t, name).Start(t.Context(), subject, scenario.Cell{Workers: 1, Operations: 2})
			if err != nil {
				t.Fatal(err)
			}
			var lie atomic.Bool
			lie.Store(true)
			server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodDelete || !lie.Load() {
					return false
				}
				_, _ = w.Write([]byte(strings.Repeat(`{"status":"Success"}`, 2000)))
				return true
			}
			if _, err := op(t.Context(), load.Call{}); err != nil {
				t.Fatal(err)
			}
			lie.Store(false)
			if err := stop(); err == nil || arm.Reason(err) != "a deleted object is still there" {
				t.Errorf("the cell ended with %v", err)
			}
			if left := server.Names("ns-scratch"); len(left) != 0 {
				t.Errorf("%q are left, deleted ones and those whose turn did not come", left)
			}
		})
	}
}

// The writes beside a measurement are part of what it measures.
func TestListBesideWritesNeedsTheWrites(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	broken := make(chan struct{}, 1)
	start := func() (load.Op, func() error) {
		op, stop, err := named(t, "list-busy").Start(t.Context(), subject, scenario.Cell{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		return op, stop
	}
	renewed := make(chan struct{}, 100)
	server.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			renewed <- struct{}{}
		}
		return false
	}
	op, stop := start()
	for range 3 {
		<-renewed
	}
	if _, err := op(t.Context(), load.Call{}); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Errorf("the cell ended with %v", err)
	}
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		fakeapi.Fail(w, http.StatusForbidden, "Forbidden", "no")
		broken <- struct{}{}
		return true
	}
	_, stop = start()
	<-broken
	if err := stop(); err == nil || arm.Reason(err) != "403 Forbidden" {
		t.Errorf("the cell ended with %v, want the refusal", err)
	}
}

func TestFits(t *testing.T) {
	server := fakeapi.New(t)
	configMaps, err := arm.ConfigMaps(7)
	if err != nil {
		t.Fatal(err)
	}
	api, configMap, etcd, echo := newArm(t, server), newArm(t, server), newArm(t, server), newArm(t, server)
	configMap.Kind, etcd.Target, echo.Target = configMaps, arm.Etcd{}, arm.Bare{}
	lacking := func(a *arm.Arm) (out []string) {
		for _, s := range scenario.All() {
			if !s.Fits(a) && s.Needs < arm.Own {
				out = append(out, s.Name)
			}
		}
		return out
	}
	if got := lacking(api); len(got) != 0 {
		t.Errorf("%q do not fit an instance", got)
	}
	want := []string{
		"get-old-version", "list-field", "list-old-version", "create-old-version", "update-old-version", "status",
	}
	if diff := cmp.Diff(want, lacking(configMap)); diff != "" {
		t.Errorf("unexpected misfits of a ConfigMap (-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		name string
		arm  *arm.Arm
		fits []string
	}{
		{"etcd", etcd, []string{"get-one", "get-128k", "list-16k", "create-32", "create-16k", "update", "delete", "mix-32", "get-at-50", "watch"}},
		{"echo", echo, []string{"get-one", "get-many-8", "list-500", "list-4", "create", "create-rate"}},
	} {
		misfits := strings.Join(lacking(test.arm), " ") + " "
		for _, name := range test.fits {
			if strings.Contains(misfits, name+" ") {
				t.Errorf("%s does not fit %s", name, test.name)
			}
		}
		if !strings.Contains(misfits, "apply ") || !strings.Contains(misfits, "list-table ") {
			t.Errorf("what needs an API fits %s", test.name)
		}
	}
}

// A pool that could not be filled is removed.
func TestPoolThatCannotBeFilled(t *testing.T) {
	server := fakeapi.New(t)
	subject := newSubject(t, server)
	var creates atomic.Int64
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && creates.Add(1) == 15 {
			fakeapi.Fail(w, http.StatusTooManyRequests, "TooManyRequests", "slow down")
			return true
		}
		return false
	}
	_, _, err := named(t, "delete").Start(t.Context(), subject, scenario.Cell{Workers: 1, Operations: 30})
	if err == nil {
		t.Error("a cell began without its objects")
	}
	if left := server.Names("ns-scratch"); len(left) != 0 {
		t.Errorf("%d objects are left", len(left))
	}
}
