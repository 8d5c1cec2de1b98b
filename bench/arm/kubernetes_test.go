package arm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/internal/fakeapi"
)

var groupResource = schema.GroupResource{Group: "mysql.example.com", Resource: "mysqlinstances"}

func TestPrepareAndCleanup(t *testing.T) {
	server := fakeapi.New(t)
	a := newArm(t, server)
	if err := a.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ns", "ns-scratch"}, server.Namespaces()); diff != "" {
		t.Errorf("unexpected namespaces (-want +got):\n%s", diff)
	}
	for _, want := range []string{"roles", "rolebindings"} {
		if !slices.ContainsFunc(server.Requests(), func(r string) bool {
			return strings.HasPrefix(r, "POST ") && strings.HasSuffix(r, "/namespaces/ns-scratch/"+want)
		}) {
			t.Errorf("no %s were made: %v", want, server.Requests())
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 { // a cancelled context does not matter, and nothing to remove is no error
		if err := a.Cleanup(cancelled); err != nil {
			t.Fatal(err)
		}
	}
	if got := server.Namespaces(); len(got) != 0 {
		t.Errorf("namespaces %v are left", got)
	}
}

// The rights are those that the scenarios need, and no more.
func TestPrepareGivesTheRightsOfTheScenarios(t *testing.T) {
	server := fakeapi.New(t)
	var role rbacv1.Role
	server.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/namespaces/ns-scratch/roles") {
			return false
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &role) != nil {
			t.Errorf("the role is %q, %v", body, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return false
	}
	if err := newArm(t, server).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []rbacv1.PolicyRule{
		{
			APIGroups: []string{"mysql.example.com"}, Resources: []string{"mysqlinstances"},
			Verbs: []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"},
		},
		{APIGroups: []string{"mysql.example.com"}, Resources: []string{"mysqlinstances/status"}, Verbs: []string{"update"}},
	}
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Errorf("unexpected rights (-want +got):\n%s", diff)
	}
}

func TestHeartbeatWritesBesideTheArm(t *testing.T) {
	server := fakeapi.New(t)
	a := newArm(t, server)
	renew, err := a.Target.(arm.Neighbour).Heartbeat(t.Context(), a.Scratch())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := renew(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const path = "/apis/coordination.k8s.io/v1/namespaces/ns-scratch/leases"
	want := []string{"POST " + path, "PUT " + path + "/duet-bench", "PUT " + path + "/duet-bench"}
	if diff := cmp.Diff(want, server.Requests()); diff != "" {
		t.Errorf("unexpected requests (-want +got):\n%s", diff)
	}
}

func TestPrepareWaitsForRights(t *testing.T) {
	server := fakeapi.New(t)
	var refusals atomic.Int64
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/mysqlinstances") || refusals.Add(1) > 3 {
			return false
		}
		fakeapi.Fail(w, http.StatusForbidden, "Forbidden", "not yet")
		return true
	}
	if err := newArm(t, server).Prepare(t.Context()); err != nil {
		t.Errorf("Prepare() = %v, want it to try again", err)
	}
}

func TestPrepareRefusesMasters(t *testing.T) {
	server := fakeapi.New(t)
	server.Groups = []string{"system:masters", "system:authenticated"}
	err := newArm(t, server).Prepare(t.Context())
	if err == nil || !strings.Contains(err.Error(), "system:masters") {
		t.Errorf("Prepare() = %v, want a refusal of system:masters", err)
	}
	if got := server.Namespaces(); len(got) != 0 {
		t.Errorf("namespaces %v were made all the same", got)
	}
}

func TestCleanupNeverRemovesWhatIsNotItsOwn(t *testing.T) {
	server := fakeapi.New(t)
	server.AddNamespace("ns")
	err := newArm(t, server).Cleanup(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not made by the benchmark") {
		t.Errorf("Cleanup() = %v, want a refusal", err)
	}
	if diff := cmp.Diff([]string{"ns"}, server.Namespaces()); diff != "" {
		t.Errorf("unexpected namespaces (-want +got):\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	server := fakeapi.New(t)
	tests := map[string]struct {
		change func(*arm.Arm)
		want   string
	}{
		"complete":     {func(*arm.Arm) {}, ""},
		"no name":      {func(a *arm.Arm) { a.Name = "" }, "has no name"},
		"no form":      {func(a *arm.Arm) { a.Form = "" }, "has no form"},
		"no target":    {func(a *arm.Arm) { a.Target = nil }, "has no target"},
		"no namespace": {func(a *arm.Arm) { a.Namespace = "" }, "has no namespace"},
		"no kind":      {func(a *arm.Arm) { a.Kind = nil }, "has no kind"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newArm(t, server)
			test.change(a)
			err := a.Validate()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("Validate() = %v, want %q", err, test.want)
			}
		})
	}
}

func TestPrepareNeedsAUserAndAnAdministrator(t *testing.T) {
	server := fakeapi.New(t)
	for name, target := range map[string]arm.Kubernetes{
		"no user":  {Admin: server.Config()},
		"no admin": {Config: server.Config()},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArm(t, server)
			a.Target = target
			if err := a.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "has no client configuration") {
				t.Errorf("Prepare() = %v, want a refusal", err)
			}
		})
	}
}
