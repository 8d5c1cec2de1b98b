package apiserver

import (
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/duet-api/duet/aggregated-impl/registry/mysqlinstance"
	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/install"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// newPublicScheme holds the types that clients see, the ones the OpenAPI documents are named after.
func newPublicScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	// The generic server wants the options types in "v1" and the discovery types unversioned.
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	scheme.AddUnversionedTypes(schema.GroupVersion{Version: "v1"},
		&metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	scheme.AddKnownTypes(autoscalingv1.SchemeGroupVersion, &autoscalingv1.Scale{})
	metav1.AddToGroupVersion(scheme, autoscalingv1.SchemeGroupVersion)
	if err := mysqlinstance.AddFieldLabels(scheme); err != nil {
		return nil, fmt.Errorf("could not register field selectors: %w", err)
	}
	return scheme, nil
}

// newServingScheme is the public scheme plus what requests are decoded into. Scale and the kinds that only this server
// has exist in one version, so that version is its own hub; the public scheme must not know, or "__internal" would
// appear in OpenAPI documents.
func newServingScheme() (*runtime.Scheme, error) {
	scheme, err := newPublicScheme()
	if err != nil {
		return nil, err
	}
	scheme.AddKnownTypes(schema.GroupVersion{Group: autoscalingv1.GroupName, Version: runtime.APIVersionInternal},
		&autoscalingv1.Scale{})
	scheme.AddKnownTypes(mysql.SchemeGroupVersion, v1.SingleVersionKinds()...)
	return scheme, nil
}
