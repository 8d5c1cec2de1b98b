// Package storage puts MySQLInstance into etcd: one generic store, and so one watch cache, for every served version
// and subresource.
package storage

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/duet-api/duet/aggregated-impl/registry/mysqlinstance"
	"github.com/duet-api/duet/aggregated-impl/registry/mysqlinstance/subresource"
	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
	"github.com/duet-api/duet/shared/database"
)

// resource is the plural name in paths.
const resource = "mysqlinstances"

// World is what lies behind the subresources that run code.
type World struct {
	// Cluster is the core API, with the server's own rights.
	Cluster kubernetes.Interface
	// Databases reaches the servers of instances.
	Databases database.Dialer
	// Streams ends when no log may be streamed any longer.
	Streams context.Context
}

// New opens the store and returns the resources of each version by their path below the group version.
//
// Scale is served in v1 only: it speaks of all servers, while v1alpha1's readReplicas leaves the primary out, so a
// scale of it would be off by one from the field of the same name. The subresources that run code are in v1 only because
// an old version gets no new features.
func New(scheme *runtime.Scheme, options generic.RESTOptionsGetter,
	world World) (map[string]map[string]rest.Storage, error) {
	strategy := mysqlinstance.NewStrategy(scheme)
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &mysql.MySQLInstance{} },
		NewListFunc:               func() runtime.Object { return &mysql.MySQLInstanceList{} },
		PredicateFunc:             mysqlinstance.Match,
		DefaultQualifiedResource:  mysql.Resource(resource),
		SingularQualifiedResource: mysql.Resource("mysqlinstance"),
		CreateStrategy:            strategy,
		UpdateStrategy:            strategy,
		DeleteStrategy:            strategy,
		ResetFieldsStrategy:       strategy,
		TableConvertor:            mysqlinstance.NewV1TableConvertor(scheme),
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{
		RESTOptions: options, AttrFunc: mysqlinstance.GetAttrs,
	}); err != nil {
		return nil, fmt.Errorf("could not open the store of %s: %w", resource, err)
	}

	statusStore := *store
	statusStrategy := mysqlinstance.StatusStrategy{Strategy: strategy}
	statusStore.UpdateStrategy = statusStrategy
	statusStore.ResetFieldsStrategy = statusStrategy

	return map[string]map[string]rest.Storage{
		v1.SchemeGroupVersion.Version: {
			resource:             &REST{Store: store},
			resource + "/status": &StatusREST{store: &statusStore},
			resource + "/scale":  &ScaleREST{store: store},

			resource + "/metrics": subresource.NewMetrics(store, world.Cluster.CoreV1(), world.Databases),
			resource + "/backup":  subresource.NewBackup(store, world.Cluster.BatchV1()),
			resource + "/restart": subresource.NewRestart(store),
			resource + "/" + subresource.LogSubresource: subresource.NewLog(
				world.Streams, store, world.Cluster.CoreV1()),
		},
		v1alpha1.SchemeGroupVersion.Version: {
			resource: &REST{
				Store: withTable(store, mysqlinstance.NewV1alpha1TableConvertor(scheme)),
			},
			resource + "/status": &StatusREST{
				store: withTable(&statusStore, mysqlinstance.NewV1alpha1TableConvertor(scheme)),
			},
		},
	}, nil
}

// withTable is the same store, the same storage and watch cache behind it, with other tables.
func withTable(store *genericregistry.Store, table rest.TableConvertor) *genericregistry.Store {
	copied := *store
	copied.TableConvertor = table
	return &copied
}

// REST is the main resource.
type REST struct {
	*genericregistry.Store
}

var (
	_ rest.StandardStorage     = &REST{}
	_ rest.ShortNamesProvider  = &REST{}
	_ rest.CategoriesProvider  = &REST{}
	_ rest.ResetFieldsStrategy = &REST{}
)

// ShortNames for kubectl.
func (*REST) ShortNames() []string { return []string{"mysql"} }

// Categories that list this resource, as `kubectl get databases` does.
func (*REST) Categories() []string { return []string{"all", "databases"} }

// StatusREST is the status subresource.
type StatusREST struct {
	store *genericregistry.Store
}

var (
	_ rest.Patcher             = &StatusREST{}
	_ rest.ResetFieldsStrategy = &StatusREST{}
	_ rest.TableConvertor      = &StatusREST{}
)

// New returns an empty object.
func (*StatusREST) New() runtime.Object { return &mysql.MySQLInstance{} }

// Destroy does nothing: the main resource owns the storage.
func (*StatusREST) Destroy() {}

// Get returns the whole object; patches start from it.
func (r *StatusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update changes the status. It never creates: a subresource does not exist before its object.
func (r *StatusREST) Update(ctx context.Context, name string, objInfo rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc, updateValidation rest.ValidateObjectUpdateFunc,
	_ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, objInfo, createValidation, updateValidation, false, options)
}

// GetResetFields names what an update of the status overwrites.
func (r *StatusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

// ConvertToTable makes the same table as the main resource.
func (r *StatusREST) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, obj, options)
}
