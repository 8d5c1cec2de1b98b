package install

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Detected is which form the cluster itself says serves the group, whatever an earlier command meant to do.
type Detected struct {
	// Form is CRD, Aggregated or empty.
	Form string
	// Foreign, if set, is somebody else's service behind the group's APIService, as namespace/name.
	Foreign string
	// ParkedCRD: the CustomResourceDefinition is there, keeps the stored objects, and serves no version.
	ParkedCRD bool
}

var (
	apiServiceGVK = schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}
	crdGVK        = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
)

// Detect reads the two objects that decide who serves the group: the APIService of the storage version and the
// CustomResourceDefinition.
func Detect(ctx context.Context, c client.Client) (Detected, error) {
	var detected Detected

	apiService, err := get(ctx, c, apiServiceGVK, Resource.Version+"."+Group)
	if err != nil {
		return detected, err
	}
	if apiService != nil {
		namespace, _, _ := unstructured.NestedString(apiService.Object, "spec", "service", "namespace")
		name, _, _ := unstructured.NestedString(apiService.Object, "spec", "service", "name")
		switch {
		case name == "": // Local: kube-apiserver itself answers, so the CustomResourceDefinition decides.
		case namespace == Namespace:
			detected.Form = Aggregated
		default:
			detected.Foreign = namespace + "/" + name
		}
	}

	crd, err := get(ctx, c, crdGVK, Resource.GroupResource().String())
	if err != nil || crd == nil {
		return detected, err
	}
	served := false
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, version := range versions {
		if version, ok := version.(map[string]any); ok && version["served"] == true {
			served = true
		}
	}
	detected.ParkedCRD = !served
	if served && detected.Form == "" && detected.Foreign == "" {
		detected.Form = CRD
	}
	return detected, nil
}

func get(ctx context.Context, c client.Client, gvk schema.GroupVersionKind, name string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	if err := c.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("could not read %s %s: %w", gvk.Kind, name, err)
	}
	return object, nil
}
