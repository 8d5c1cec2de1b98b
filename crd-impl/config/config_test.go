package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// The typed definition must say what the generated file says: a field that the Go types did not know would be lost on
// the way to the cluster.
func TestCRDIsReadCompletely(t *testing.T) {
	crd, err := CRD()
	if err != nil {
		t.Fatal(err)
	}
	got, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		t.Fatal(err)
	}
	delete(got, "status")
	data, err := files.ReadFile("crd/mysql.example.com_mysqlinstances.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	if err := yaml.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(normal(t, want), normal(t, got)); diff != "" {
		t.Errorf("definition (-file +typed):\n%s", diff)
	}
}

// normal has one Go type for each kind of JSON value.
func normal(t *testing.T, object map[string]any) map[string]any {
	t.Helper()
	data, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	result := map[string]any{}
	if err := yaml.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestObjects(t *testing.T) {
	tests := map[string]struct {
		load func() ([]*unstructured.Unstructured, error)
		want []string
	}{
		"RBAC":     {RBAC, []string{"ServiceAccount crd-webhook", "ClusterRole duet-crd-webhook", "ClusterRoleBinding duet-crd-webhook"}},
		"webhooks": {Webhooks, []string{"MutatingWebhookConfiguration duet-mysqlinstances", "ValidatingWebhookConfiguration duet-mysqlinstances"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects, err := test.load()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, object := range objects {
				got = append(got, object.GetKind()+" "+object.GetName())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}
