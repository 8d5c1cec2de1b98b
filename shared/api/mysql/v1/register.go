package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group.
const GroupName = "mysql.example.com"

// SchemeGroupVersion is the group and version of this package's types.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1"}

var (
	// SchemeBuilder collects this package's registrations, the generated ones included.
	SchemeBuilder runtime.SchemeBuilder
	// AddToScheme registers the types, defaults and conversions of this version.
	AddToScheme = localSchemeBuilder.AddToScheme

	localSchemeBuilder = &SchemeBuilder
)

func init() {
	// Generated files register themselves; the package compiles without them.
	localSchemeBuilder.Register(addKnownTypes, RegisterDefaults)
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, &MySQLInstance{}, &MySQLInstanceList{})
	scheme.AddKnownTypes(SchemeGroupVersion, SingleVersionKinds()...)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}

// SingleVersionKinds are the kinds of this version that have no hub, since no other version has them: only the
// aggregated form serves them, and none is stored.
func SingleVersionKinds() []runtime.Object {
	return []runtime.Object{&MySQLInstanceMetrics{}, &MySQLInstanceBackup{}, &MySQLInstanceRestart{},
		&MySQLInstanceLogOptions{}, &MySQLParameterReview{}}
}

// Resource qualifies a resource name with the group.
func Resource(resource string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(resource).GroupResource()
}
