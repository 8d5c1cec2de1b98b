package switching

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/install"
)

// automanagedLabel says whether kube-apiserver looks after an APIService: it puts one with "true" back to Local, and
// deletes it when no CustomResourceDefinition serves the version. Any other value keeps its hands off.
const automanagedLabel = "kube-aggregator.kubernetes.io/automanaged"

var apiServiceKind = schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}

// registration is the APIService of a version as it is, or nil.
func (s *Switcher) registration(ctx context.Context, version string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(apiServiceKind)
	err := s.installer.Client().Get(ctx, client.ObjectKey{Name: version + "." + install.Group}, object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return object, err
}

func registrationOf(s side, version string) *unstructured.Unstructured {
	for _, registration := range s.registrations() {
		if versionOf(registration) == version {
			return registration
		}
	}
	return nil
}

func isLocal(registration *unstructured.Unstructured) bool {
	service, found, _ := unstructured.NestedMap(registration.Object, "spec", "service")
	return !found || len(service) == 0
}

// withDefaults is the spec that is wanted, as it looks once it is stored.
func withDefaults(wanted, stored *unstructured.Unstructured) map[string]any {
	spec := wanted.DeepCopy().Object["spec"].(map[string]any)
	for key, value := range stored.Object["spec"].(map[string]any) {
		if _, set := spec[key]; !set {
			spec[key] = value
		}
	}
	return spec
}

func versionOf(registration *unstructured.Unstructured) string {
	version, _, _ := unstructured.NestedString(registration.Object, "spec", "version")
	return version
}
