package install

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// Namespace holds what Duet itself runs with: service accounts, Services, leases and the record of the installation.
const Namespace = "duet-system"

// Group is the API group that either form serves.
const Group = "mysql.example.com"

// Resource is the resource that either form serves, in its storage version.
var Resource = schema.GroupVersionResource{Group: Group, Version: "v1", Resource: "mysqlinstances"}

// Names of the two forms.
const (
	CRD        = "crd"
	Aggregated = "aggregated"
)

// Capability is something that a form may or may not be able to do. A behaviour row or a benchmark that needs one
// which is missing is reported as not applicable, with this as the reason.
type Capability string

// Capabilities.
const (
	// MultipleVersions: v1alpha1 is served beside v1.
	MultipleVersions Capability = "multiple versions"
	// GoValidation: the rules that only Go can say are enforced when an object is written.
	GoValidation Capability = "validation in Go"
	// LookUps: the rules that need other objects are enforced when an object is written.
	LookUps Capability = "look-ups of other objects"
	// Protobuf: bodies may be protobuf, both ways.
	Protobuf Capability = "protobuf"
	// OwnServer: a process of the form's own answers for part of the API, and can fail.
	OwnServer Capability = "server of its own"
	// ClusterStorage: the objects are where the other forms can find them, in the control plane's etcd.
	ClusterStorage Capability = "storage that the other form shares"
	// StrategicMergePatch: the patch type of built-in resources is accepted.
	StrategicMergePatch Capability = "strategic merge patch"
)

// Storage is where objects are kept.
type Storage string

// Where objects are kept.
const (
	// ControlPlaneEtcd: below the keys that the CustomResourceDefinition uses, in the control plane's etcd.
	ControlPlaneEtcd Storage = "the control plane's etcd"
	// DedicatedEtcd: an etcd that only the aggregated server uses.
	DedicatedEtcd Storage = "a dedicated etcd"
)

// Implementation is one form of the API.
type Implementation interface {
	// Name is what --impl calls it.
	Name() string
	// Profiles are the form's variants, the default first.
	Profiles() []string
	// Capabilities of a profile.
	Capabilities(profile string) sets.Set[Capability]
	// Storage is where a profile keeps the objects. Profiles with different storage do not see each other's objects.
	Storage(profile string) Storage
	// Versions that a profile serves, the storage version first.
	Versions(profile string) []string
	// Plan says what to apply and to run for a profile. It may issue certificates and pick ports through the
	// environment, which remembers them; it changes nothing in the cluster.
	Plan(ctx context.Context, env *Environment, profile string) (*Plan, error)
	// Park says which of the plan's objects must stay, changed, so that the stored objects survive while the form
	// is not served. Objects of the plan that it does not return are deleted by an uninstallation.
	Park(plan *Plan) []*unstructured.Unstructured
}

// Plan is what stands behind a form, in the order in which it is brought up.
type Plan struct {
	// Prerequisites are applied first: service accounts, RBAC, Services.
	Prerequisites []*unstructured.Unstructured
	// Processes run next; each may already use its service account.
	Processes []process.Spec
	// Objects make the API appear: a CustomResourceDefinition and webhook configurations, or APIServices.
	Objects []*unstructured.Unstructured
	// Etcd is where the objects of the API are stored.
	Etcd controlplane.EtcdAccess
}

// Server is the process that answers for the form: the last of its processes, since what it needs is started before it.
// Its name is also that of its port and of its service account. Of a form without OwnServer there is none.
func (p *Plan) Server() (server process.Spec, ok bool) {
	if len(p.Processes) == 0 {
		return process.Spec{}, false
	}
	return p.Processes[len(p.Processes)-1], true
}

// Forms is the set of implementations a command knows, in the order it lists them.
type Forms []Implementation

// Named returns the form with a name, or an error that lists the names there are.
func (f Forms) Named(name string) (Implementation, error) {
	var names []string
	for _, form := range f {
		if form.Name() == name {
			return form, nil
		}
		names = append(names, form.Name())
	}
	return nil, fmt.Errorf("unknown implementation %q: use one of %s", name, strings.Join(names, ", "))
}

// ProfileOf returns the profile of a form that is meant by a flag's value; empty means the default.
func ProfileOf(form Implementation, profile string) (string, error) {
	profiles := form.Profiles()
	if profile == "" {
		return profiles[0], nil
	}
	if !slices.Contains(profiles, profile) {
		return "", fmt.Errorf("unknown profile %q of %s: use one of %s", profile, form.Name(), strings.Join(profiles, ", "))
	}
	return profile, nil
}
