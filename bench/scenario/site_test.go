package scenario_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/internal/fakeapi"
	"github.com/duet-api/duet/bench/load"
	"github.com/duet-api/duet/bench/scenario"
)

// fakeSite is behind a fakeapi.Server, which answers while the site is installed and its server runs.
type fakeSite struct {
	server           *fakeapi.Server
	installed, serve atomic.Bool
	// breaks, if set, fails the next call of that name.
	breaks string

	mu    sync.Mutex
	calls []string
	stop  func()
}

// ownSubject is a subject with no population whose site is fake.
func ownSubject(t *testing.T) (*fakeSite, *scenario.Subject) {
	t.Helper()
	server := fakeapi.New(t)
	site := &fakeSite{server: server}
	site.installed.Store(true)
	site.serve.Store(true)
	own := newArm(t, server)
	own.Target = arm.Kubernetes{Config: server.Config(), Admin: server.Config(), Site: site}
	subject, err := scenario.NewSubject(t.Context(), own, scenario.None)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(subject.Close)
	t.Cleanup(func() { _ = site.StopController(context.Background()) })
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if site.installed.Load() && site.serve.Load() {
			return false
		}
		fakeapi.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not there")
		return true
	}
	return site, subject
}

func (f *fakeSite) note(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	if call == f.breaks {
		f.breaks = ""
		return errors.New(call + " is broken")
	}
	return nil
}

func (f *fakeSite) Install(context.Context) error {
	err := f.note("Install")
	f.installed.Store(true)
	return err
}

func (f *fakeSite) Uninstall(context.Context) error {
	f.installed.Store(false)
	return f.note("Uninstall")
}

func (f *fakeSite) StopServer(context.Context) error {
	f.serve.Store(false)
	return f.note("StopServer")
}

func (f *fakeSite) StartServer(context.Context) error {
	f.serve.Store(true)
	return f.note("StartServer")
}

// StartController settles what is in the scratch namespace until StopController.
func (f *fakeSite) StartController(context.Context) error {
	if err := f.note("StartController"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	f.mu.Lock()
	f.stop = func() { cancel(); <-ended }
	f.mu.Unlock()
	go func() {
		defer close(ended)
		settled := map[string]bool{}
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			for _, name := range f.server.Names("ns-scratch") {
				if !settled[name] {
					f.settle(ctx, name)
					settled[name] = true
				}
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}()
	return nil
}

func (f *fakeSite) settle(ctx context.Context, name string) {
	const body = `{"status":{"conditions":[{"type":"Progressing","status":"False","reason":"Settled"}]}}`
	request := httptest.NewRequestWithContext(ctx, http.MethodPatch,
		"/apis/mysql.example.com/v1/namespaces/ns-scratch/mysqlinstances/"+name, bytes.NewBufferString(body))
	request.Header.Set("Content-Type", "application/merge-patch+json")
	f.server.ServeHTTP(httptest.NewRecorder(), request)
}

func (f *fakeSite) StopController(context.Context) error {
	err := f.note("StopController")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
	return err
}

// What a scenario asks of the site: it is as it was in the end, also when the scenario could not begin.
func TestSitesAreLeftAsTheyWere(t *testing.T) {
	tests := map[string]struct {
		want []string
		// breaks is the call that fails, after which the calls are wantThen.
		breaks   string
		wantThen []string
	}{
		"controller": {
			[]string{"StartController", "StopController"},
			"StartController", []string{"StartController", "StopController"},
		},
		"controller-burst": {
			[]string{"StartController", "StopController"},
			"StartController", []string{"StartController", "StopController"},
		},
		"controller-restart": {
			[]string{"StartController", "StopController", "StartController", "StopController"},
			"StopController", []string{"StartController", "StopController", "StopController"},
		},
		"install-list":   {[]string{"Uninstall", "Install"}, "Uninstall", []string{"Uninstall", "Install"}},
		"install-create": {[]string{"Uninstall", "Install"}, "Uninstall", []string{"Uninstall", "Install"}},
		"cold-start":     {[]string{"StopServer", "StartServer", "StartServer"}, "StopServer", []string{"StopServer", "StartServer"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			site, subject := ownSubject(t)
			if diff := cmp.Diff(map[string]int{}, do(t, named(t, name), subject, 1)); diff != "" {
				t.Errorf("unexpected errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, site.calls); diff != "" {
				t.Errorf("unexpected calls (-want +got):\n%s", diff)
			}
			if left := site.server.Names("ns-scratch"); len(left) != 0 {
				t.Errorf("%q are left", left)
			}
			site.calls, site.breaks = nil, test.breaks
			if _, _, err := named(t, name).Start(t.Context(), subject, scenario.Cell{Workers: 1}); err == nil {
				t.Error("a cell began on a site that is broken")
			}
			if diff := cmp.Diff(test.wantThen, site.calls); diff != "" {
				t.Errorf("unexpected calls after a failure (-want +got):\n%s", diff)
			}
			if !site.installed.Load() || !site.serve.Load() {
				t.Error("the site was left broken")
			}
		})
	}
}

// A cell may end before its operation began, and after an interruption.
func TestSitesSurviveAnInterruption(t *testing.T) {
	for _, name := range []string{"controller", "install-list", "cold-start"} {
		t.Run(name, func(t *testing.T) {
			site, subject := ownSubject(t)
			ctx, cancel := context.WithCancel(t.Context())
			_, stop, err := named(t, name).Start(ctx, subject, scenario.Cell{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			if err := stop(); err != nil {
				t.Errorf("the cell ended with %v", err)
			}
			if !site.installed.Load() || !site.serve.Load() || site.stop != nil {
				t.Error("the site was left broken, or its controller on")
			}
		})
	}
}

// An instance is settled when its status says so, and not when it is there.
func TestSettlingWaitsForTheController(t *testing.T) {
	site, subject := ownSubject(t)
	op, stop, err := named(t, "controller").Start(t.Context(), subject, scenario.Cell{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := site.StopController(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := op(ctx, load.Call{})
		ended <- err
	}()
	for len(site.server.Names("ns-scratch")) < 2 { // the first one, and that of the operation
		select {
		case err := <-ended:
			t.Fatalf("the operation ended without a controller: %v", err)
		default:
		}
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("an instance that nobody settled counts as settled")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, request := range site.server.Requests() {
		if strings.HasPrefix(request, "GET ") && strings.Contains(request, "watch=1") && !strings.Contains(request, "metadata.name") {
			t.Errorf("%s watches more than the instance", request)
		}
	}
}
