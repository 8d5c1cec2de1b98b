package install

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func apiService(spec map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	object.SetGroupVersionKind(apiServiceGVK)
	object.SetName("v1.mysql.example.com")
	return object
}

func customResourceDefinition(served ...bool) *unstructured.Unstructured {
	var versions []any
	for i, served := range served {
		versions = append(versions, map[string]any{"name": []string{"v1", "v1alpha1"}[i], "served": served})
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"versions": versions}}}
	object.SetGroupVersionKind(crdGVK)
	object.SetName("mysqlinstances.mysql.example.com")
	return object
}

func TestDetect(t *testing.T) {
	ours := map[string]any{"service": map[string]any{"namespace": Namespace, "name": "duet-apiserver", "port": int64(8443)}}
	theirs := map[string]any{"service": map[string]any{"namespace": "default", "name": "other"}}
	local := map[string]any{"group": Group}

	for name, test := range map[string]struct {
		objects []*unstructured.Unstructured
		want    Detected
	}{
		"nothing": {},
		"a served CustomResourceDefinition": {
			objects: []*unstructured.Unstructured{apiService(local), customResourceDefinition(true, true)},
			want:    Detected{Form: CRD},
		},
		"one served version is enough": {
			objects: []*unstructured.Unstructured{apiService(local), customResourceDefinition(true, false)},
			want:    Detected{Form: CRD},
		},
		"established, but its APIService is not there yet": {
			objects: []*unstructured.Unstructured{customResourceDefinition(true)},
			want:    Detected{Form: CRD},
		},
		"a parked CustomResourceDefinition": {
			objects: []*unstructured.Unstructured{customResourceDefinition(false, false)},
			want:    Detected{ParkedCRD: true},
		},
		"our server": {
			objects: []*unstructured.Unstructured{apiService(ours)},
			want:    Detected{Form: Aggregated},
		},
		"our server over a parked CustomResourceDefinition": {
			objects: []*unstructured.Unstructured{apiService(ours), customResourceDefinition(false)},
			want:    Detected{Form: Aggregated, ParkedCRD: true},
		},
		"our server over a served CustomResourceDefinition is who answers": {
			objects: []*unstructured.Unstructured{apiService(ours), customResourceDefinition(true)},
			want:    Detected{Form: Aggregated},
		},
		"somebody else's server": {
			objects: []*unstructured.Unstructured{apiService(theirs), customResourceDefinition(true)},
			want:    Detected{Foreign: "default/other"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			mapper := meta.NewDefaultRESTMapper(nil)
			mapper.Add(apiServiceGVK, meta.RESTScopeRoot)
			mapper.Add(crdGVK, meta.RESTScopeRoot)
			builder := fake.NewClientBuilder().WithScheme(runtime.NewScheme()).WithRESTMapper(mapper)
			for _, object := range test.objects {
				builder = builder.WithObjects(object)
			}
			got, err := Detect(t.Context(), builder.Build())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
