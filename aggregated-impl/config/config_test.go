package config

import (
	"os"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// TestAPIServices checks what an APIService must have, and must not have, for kube-apiserver to trust the server and to
// leave the object alone.
func TestAPIServices(t *testing.T) {
	objects, err := APIServices(7443, []byte("bundle"))
	if err != nil {
		t.Fatal(err)
	}
	served := sets.New[string]()
	for _, object := range objects {
		var got apiregistrationv1.APIService
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &got, true); err != nil {
			t.Fatal(err)
		}
		served.Insert(got.Name)
		if got.Name != got.Spec.Version+"."+got.Spec.Group {
			t.Errorf("%s is named wrongly", got.Name)
		}
		if got.Spec.InsecureSkipTLSVerify || string(got.Spec.CABundle) != "bundle" {
			t.Errorf("%s: the server is not verified", got.Name)
		}
		if service := got.Spec.Service; service == nil || service.Name != Service || *service.Port != 7443 {
			t.Errorf("%s: service %+v", got.Name, service)
		}
		if len(got.Labels) > 0 {
			t.Errorf("%s has labels %v: with kube-aggregator.kubernetes.io/automanaged it would be put back to Local",
				got.Name, got.Labels)
		}
	}
	if !served.Equal(sets.New("v1.mysql.example.com", "v1alpha1.mysql.example.com")) {
		t.Errorf("served are %v", sets.List(served))
	}
}

// TestRules keeps the access rules small: nothing may be written but the status of quotas and new Jobs, Secrets and pods
// cannot be listed, and there is no wildcard.
func TestRules(t *testing.T) {
	objects, err := Prerequisites()
	if err != nil {
		t.Fatal(err)
	}
	// mayWrite are the only verbs that change something.
	mayWrite := map[string]string{"resourcequotas/status": "update", "jobs": "create"}
	roles := 0
	for _, object := range objects {
		if object.GetKind() != "ClusterRole" {
			continue
		}
		roles++
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &role, true); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			verbs, resources := sets.New(rule.Verbs...), sets.New(rule.Resources...)
			if verbs.Has("*") || resources.Has("*") || sets.New(rule.APIGroups...).Has("*") {
				t.Errorf("a wildcard: %+v", rule)
			}
			writes := verbs.Difference(sets.New("get", "list", "watch"))
			for _, resource := range rule.Resources {
				if len(writes) > 0 && !writes.Equal(sets.New(mayWrite[resource])) {
					t.Errorf("more than reading: %+v", rule)
				}
			}
			if resources.HasAny("secrets", "pods", "pods/log") && !verbs.Equal(sets.New("get")) {
				t.Errorf("more than getting one by name: %+v", rule)
			}
		}
	}
	if roles != 1 {
		t.Errorf("%d ClusterRoles, want 1", roles)
	}
}

// TestEachRuleHasAReason reads the manifest as a person does.
func TestEachRuleHasAReason(t *testing.T) {
	data, err := os.ReadFile("rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "- apiGroups:") && !strings.HasPrefix(lines[i-1], "# ") {
			t.Errorf("line %d: a rule without a reason", i+1)
		}
	}
}
