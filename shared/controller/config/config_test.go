package config_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/duet-api/duet/shared/controller/config"
)

func TestRBAC(t *testing.T) {
	objects, err := config.RBAC()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, object := range objects {
		got = append(got, object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName())
	}
	want := []string{
		"ServiceAccount duet-system/duet-controller",
		"ClusterRole /duet-controller",
		"ClusterRoleBinding /duet-controller",
		"Role duet-system/duet-controller",
		"RoleBinding duet-system/duet-controller",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// TestRBACIsMinimal: no wildcards, no spec writes, no deletion but of what a deletionPolicy names.
func TestRBACIsMinimal(t *testing.T) {
	objects, err := config.RBAC()
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(objects[1].Object, role, true); err != nil {
		t.Fatal(err)
	}
	deletes := []string{}
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				switch {
				case resource == "*" || verb == "*" || verb == "escalate" || verb == "impersonate" || verb == "deletecollection":
					t.Errorf("%s of %s is too much", verb, resource)
				case verb == "delete":
					deletes = append(deletes, resource)
				case resource == "mysqlinstances" && (verb == "create" || verb == "update"):
					t.Errorf("the controller may %s instances", verb)
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"statefulsets", "persistentvolumeclaims", "cronjobs", "pods"}, deletes); diff != "" {
		t.Errorf("may delete (-want +got):\n%s", diff)
	}
}

func TestLocalProcess(t *testing.T) {
	dir := t.TempDir()
	spec := config.LocalProcess(filepath.Join(dir, "duet-controller"), filepath.Join(dir, "kubeconfig"), "0", "127.0.0.1:1234",
		false)
	want := []string{
		"--kubeconfig=" + filepath.Join(dir, "kubeconfig"),
		"--leader-elect=false",
		"--metrics-bind-address=0",
		"--health-probe-bind-address=127.0.0.1:1234",
		"--replicate-by-address",
		"--connect-to-servers=false",
	}
	if diff := cmp.Diff(want, spec.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if spec.Name != config.Name || spec.Path != filepath.Join(dir, "duet-controller") {
		t.Errorf("got %+v", spec)
	}
}
