package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/duet-api/duet/shared/api/mysql/install"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
	"github.com/duet-api/duet/shared/names"
)

// Pauses after failures, for each instance by itself. There is no limit on all instances together: the library's older
// default lets ten of them through in a second, which turns a burst of a thousand into minutes.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Minute
)

// Indexes of the instances in the cache.
const (
	indexBaseName = "baseName"
	indexSecret   = "referencedSecret"
)

// Options of the controller.
type Options struct {
	// Workers reconcile that many instances at a time.
	Workers int
	// ImageRepository of the MySQL server; the tag is the version.
	ImageRepository string
	// Validate are the API's rules.
	Validate func(*v1.MySQLInstance) field.ErrorList
	// ConnectToServers lets the controller look after the servers over SQL. Without it, an instance is ready when its
	// pods are, and replication is reported as not looked after.
	ConnectToServers bool
	// ReplicateByAddress lets replicas reach the primary by its pod's address and not by its name, which is for servers
	// that have no cluster DNS.
	ReplicateByAddress bool
}

// NewScheme has the API's types and those of the children.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		panic(fmt.Sprintf("could not register the types of Kubernetes: %v", err))
	}
	return scheme
}

// CacheOptions keep out of the manager's cache whatever is not the controller's: a cluster's Secrets, pods and
// ConfigMaps are many, and none of its business.
func CacheOptions() cache.Options {
	own := labels.SelectorFromSet(labels.Set{LabelManagedBy: FieldManager})
	// The owned fields of what is applied are read from managedFields; those of the rest only take space.
	applied := cache.ByObject{Label: own}
	watched := cache.ByObject{Label: own, Transform: cache.TransformStripManagedFields()}
	return cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.Secret{}:                applied,
		&corev1.ConfigMap{}:             applied,
		&corev1.Service{}:               applied,
		&appsv1.StatefulSet{}:           applied,
		&policyv1.PodDisruptionBudget{}: applied,
		&corev1.PersistentVolumeClaim{}: applied,
		&batchv1.CronJob{}:              applied,
		&batchv1.Job{}:                  watched,
		&corev1.Pod{}:                   watched,
	}}
}

// Setup adds the controller to a manager whose cache was made with CacheOptions. It returns a check for the manager's
// readiness: it fails while the controller waits for the API.
func Setup(mgr manager.Manager, options Options) (func(*http.Request) error, error) {
	// The Secrets that instances refer to are their users' and carry no label of ours. Their names are watched, and no
	// more: the content is read when an instance asks for it.
	secrets, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultTransform: keepIdentity,
	})
	if err != nil {
		return nil, fmt.Errorf("could not make the cache of Secrets: %w", err)
	}
	if err := mgr.Add(cacheRunnable{secrets}); err != nil {
		return nil, fmt.Errorf("could not add the cache of Secrets: %w", err)
	}
	c := &controller{
		mgr: mgr, secrets: secrets, clock: clock.RealClock{}, workers: options.Workers,
		logger: mgr.GetLogger().WithName("mysqlinstance"),
		reconciler: &Reconciler{
			Client:             mgr.GetClient(),
			Reader:             mgr.GetAPIReader(),
			Validate:           options.Validate,
			ReplicateByAddress: options.ReplicateByAddress,
			ImageRepository:    options.ImageRepository,
			Random:             rand.Reader,
			Clock:              clock.RealClock{},
			Recorder:           mgr.GetEventRecorder(FieldManager),
			Metrics:            NewMetrics(metrics.Registry),
		},
	}
	if options.ConnectToServers {
		c.reconciler.Dialer = database.NewDialer()
	}
	metrics.Registry.MustRegister(&instanceCollector{reader: mgr.GetCache(), serving: c.started.Load})
	if err := mgr.Add(c); err != nil {
		return nil, fmt.Errorf("could not add the controller: %w", err)
	}
	return c.ready, nil
}

// controller runs the reconciler for as long as this process leads. It is a runnable of its own, and not what the
// library's builder makes, because it starts to watch only once there is something to watch.
type controller struct {
	mgr        manager.Manager
	secrets    cache.Cache
	clock      clock.Clock
	logger     logr.Logger
	reconciler *Reconciler
	workers    int

	started atomic.Bool
	waiting atomic.Pointer[string]
}

// Start implements manager.Runnable. It returns when the context ends.
func (c *controller) Start(ctx context.Context) error {
	tell := func(reason string) { c.waiting.Store(&reason) }
	indexed := false
	for waitForAPI(ctx, c.mgr.GetAPIReader(), c.clock, c.logger, tell) == nil {
		if !indexed {
			if err := addIndexes(ctx, c.mgr.GetFieldIndexer()); err != nil {
				return err
			}
			indexed = true
		}
		c.waiting.Store(nil)
		c.started.Store(true)
		if err := c.run(ctx); ctx.Err() == nil {
			// The API went away between the LIST and the first watch. The library's controller does not start twice, so
			// the next round makes a new one.
			c.started.Store(false)
			c.logger.Info("could not start to watch, beginning again", "reason", fmt.Sprint(err))
		}
	}
	// The only error of the wait is that of the context: told to stop.
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (c *controller) NeedLeaderElection() bool { return true }

// ready is the readiness check. A process that does not lead is ready: it waits for its turn, not for the API.
func (c *controller) ready(*http.Request) error {
	if reason := c.waiting.Load(); reason != nil {
		return errors.New(*reason)
	}
	return nil
}

func (c *controller) run(ctx context.Context) error {
	library, err := ctrlcontroller.NewUnmanaged("mysqlinstance", ctrlcontroller.Options{
		Reconciler:              conflictsAreQuiet(c.reconciler),
		MaxConcurrentReconciles: c.workers,
		RateLimiter:             newRateLimiter(),
		Logger:                  c.logger,
		// A new controller of the same name replaces one that could not start.
		SkipNameValidation: new(true),
	})
	if err != nil {
		return fmt.Errorf("could not make the controller: %w", err)
	}
	for _, watch := range c.sources() {
		if err := library.Watch(watch); err != nil {
			return fmt.Errorf("could not watch: %w", err)
		}
	}
	return library.Start(ctx)
}

// newRateLimiter says how long to wait before an instance is tried again. It is asked only about failures: a change is
// looked at without delay.
func newRateLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
}

// sources are what makes an instance due: a change of itself, of anything that carries its label, or of a Secret that
// it refers to.
func (c *controller) sources() []source.Source {
	manager := c.mgr.GetCache()
	sources := []source.Source{
		source.Kind[client.Object](manager, &v1.MySQLInstance{}, &handler.EnqueueRequestForObject{}),
	}
	for _, kind := range []client.Object{
		&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Service{}, &policyv1.PodDisruptionBudget{}, &appsv1.StatefulSet{},
		&corev1.Pod{}, &corev1.PersistentVolumeClaim{}, &batchv1.CronJob{}, &batchv1.Job{},
	} {
		// By label and not by owner: a volume has no owner, and a child that lost its owner must be repaired as well.
		sources = append(sources, source.Kind(manager, kind, handler.EnqueueRequestsFromMapFunc(
			func(ctx context.Context, child client.Object) []reconcile.Request {
				return c.instances(ctx, child.GetNamespace(), indexBaseName, child.GetLabels()[labelInstance])
			})))
	}
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return append(sources, source.Kind[client.Object](c.secrets, secret, handler.EnqueueRequestsFromMapFunc(
		func(ctx context.Context, secret client.Object) []reconcile.Request {
			return c.instances(ctx, secret.GetNamespace(), indexSecret, secret.GetName())
		})))
}

// instances of a namespace that an index finds.
func (c *controller) instances(ctx context.Context, namespace, index, value string) []reconcile.Request {
	var list v1.MySQLInstanceList
	err := c.mgr.GetCache().List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{index: value},
		client.UnsafeDisableDeepCopy)
	if err != nil {
		c.logger.Error(err, "could not find the instances that a change concerns", "index", index, "value", value)
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for index, values := range map[string]client.IndexerFunc{
		indexBaseName: func(o client.Object) []string { return []string{names.Base(o.GetName())} },
		indexSecret:   func(o client.Object) []string { return referencedSecrets(o.(*v1.MySQLInstance)) },
	} {
		if err := indexer.IndexField(ctx, &v1.MySQLInstance{}, index, values); err != nil {
			return fmt.Errorf("could not index the instances by %s: %w", index, err)
		}
	}
	return nil
}

// referencedSecrets are the names of the Secrets that the spec refers to, and of the one that is generated.
func referencedSecrets(instance *v1.MySQLInstance) []string {
	secrets := []string{rootSecretRef(instance).Name}
	if instance.Spec.TLS.SecretName != nil {
		secrets = append(secrets, *instance.Spec.TLS.SecretName)
	}
	return secrets
}

// keepIdentity drops all of an object's metadata that nobody reads.
func keepIdentity(in any) (any, error) {
	object, ok := in.(*metav1.PartialObjectMetadata)
	if !ok {
		return in, nil
	}
	return &metav1.PartialObjectMetadata{TypeMeta: object.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Name: object.Name, Namespace: object.Namespace, UID: object.UID, ResourceVersion: object.ResourceVersion,
	}}, nil
}

// cacheRunnable lets the manager start a second cache together with its own, before anything that leads.
type cacheRunnable struct{ cache.Cache }

// GetCache is how the manager tells caches from other runnables.
func (c cacheRunnable) GetCache() cache.Cache { return c.Cache }
