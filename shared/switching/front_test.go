package switching

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// serverOf answers requests with what there is for their path and query, and others with 404.
func serverOf(t *testing.T, answers map[string]string) *asker {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.RequestURI()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return &asker{client: server.Client(), host: server.URL}
}

func TestRegistered(t *testing.T) {
	for name, test := range map[string]struct {
		index      string
		registered bool
		fails      bool
	}{
		"it is":              {index: `{"paths": ["/apis", "/apis/mysql.example.com", "/apis/mysql.example.com/v1"]}`, registered: true},
		"another version is": {index: `{"paths": ["/apis", "/apis/mysql.example.com", "/apis/mysql.example.com/v1alpha1"]}`},
		"no index":           {index: `<html>`, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			registered, err := serverOf(t, map[string]string{"/": test.index}).registered(t.Context(), "v1")
			if registered != test.registered || (err != nil) != test.fails {
				t.Errorf("registered() = %t, %v", registered, err)
			}
		})
	}
}

// One kube-apiserver that has missed the end of an APIService, or is too busy to tell, is enough for doing it once more, and is
// named.
func TestHeld(t *testing.T) {
	forgotten := serverOf(t, map[string]string{"/": `{"paths": ["/apis"]}`})
	missed := serverOf(t, map[string]string{"/": `{"paths": ["/apis", "/apis/mysql.example.com/v1"]}`})
	if err := (front{forgotten, forgotten}).held(t.Context(), time.Minute, "v1"); err != nil {
		t.Errorf("all have forgotten, and held() = %v", err)
	}
	answered := make(chan struct{})
	busy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-answered }))
	defer busy.Close()
	defer close(answered)
	for _, late := range []*asker{missed, {client: busy.Client(), host: busy.URL}} {
		err := front{forgotten, late}.held(t.Context(), 50*time.Millisecond, "v1")
		if !errors.Is(err, errNotHeld) || !strings.Contains(err.Error(), late.host) {
			t.Errorf("held() = %v, want one that names %s", err, late.host)
		}
	}
}

func TestSeen(t *testing.T) {
	const path = "/apis/apiregistration.k8s.io/v1/apiservices"
	object := &unstructured.Unstructured{}
	object.SetName("v1.mysql.example.com")
	object.SetResourceVersion("100")
	for version, fails := range map[string]bool{"99": true, "100": false, "1000": false, "none": true} {
		server := serverOf(t, map[string]string{
			path + "/v1.mysql.example.com?resourceVersion=0": fmt.Sprintf(`{"metadata": {"resourceVersion": %q}}`, version),
		})
		if err := server.seen(t.Context(), path, object); (err != nil) != fails {
			t.Errorf("seen() of an object at %s, with %s in the cache, = %v", object.GetResourceVersion(), version, err)
		}
	}
	if err := serverOf(t, nil).seen(t.Context(), path, object); err == nil {
		t.Error("an object that is not there was seen")
	}
}
