package trace

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/shared/process"
)

func TestSettingsReachEveryServer(t *testing.T) {
	var receiver Receiver
	t.Cleanup(receiver.Close)
	settings, err := receiver.Settings(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own := settings.Amend(process.Spec{Args: []string{"--etcd-servers=x"}}).Args
	for who, args := range map[string][]string{"kube-apiserver": settings.APIServerArgs, "the form's server": own} {
		at := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--tracing-config-file=") })
		if at < 0 {
			t.Fatalf("%s is not told where to report: %q", who, args)
		}
		content, err := os.ReadFile(strings.TrimPrefix(args[at], "--tracing-config-file="))
		if err != nil || !strings.Contains(string(content), "samplingRatePerMillion: 1000000") {
			t.Errorf("%s reports %q (%v), want everything", who, content, err)
		}
	}
	if diff := cmp.Diff(own, settings.APIServerArgs); diff == "" {
		t.Error("two servers report to one address: nobody could tell them apart")
	}
	storage := settings.Amend(process.Spec{Args: []string{"--listen-client-urls=x"}}).Args
	if diff := cmp.Diff(settings.EtcdArgs, storage[1:]); diff != "" {
		t.Errorf("the form's etcd is not told the same as the other (-want +got):\n%s", diff)
	}
	plain := process.Spec{Name: "webhook", Args: []string{"--secure-port=1"}}
	if diff := cmp.Diff(plain, settings.Amend(plain)); diff != "" {
		t.Errorf("a process that cannot report is changed (-want +got):\n%s", diff)
	}
}

func TestRequestsAreAnnounced(t *testing.T) {
	var headers []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header.Get("Traceparent"))
	}))
	t.Cleanup(server.Close)
	client := http.Client{Transport: announcer{http.DefaultTransport}}
	request := Request{Trace: strings.Repeat("a", 32), ID: strings.Repeat("b", 16)}
	for _, ctx := range []struct{ announced bool }{{true}, {false}} {
		within := t.Context()
		if ctx.announced {
			within = announced(within, request)
		}
		r, err := http.NewRequestWithContext(within, http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	want := []string{"00-" + request.Trace + "-" + request.ID + "-01", ""}
	if diff := cmp.Diff(want, headers); diff != "" {
		t.Errorf("unexpected headers (-want +got):\n%s", diff)
	}
}
