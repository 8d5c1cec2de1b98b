package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
)

// blockedRetry is how long a blocked instance waits for another look. Secrets and children are watched; this is for
// what is not, such as a foreign object that bears a child's name.
const blockedRetry = time.Minute

// Reconciler makes the world look as one instance asks. All that it touches is given to it.
type Reconciler struct {
	// Client writes, and reads from caches that hold only what carries the controller's label.
	Client client.Client
	// Reader reads from the API server: for what is not cached, and where a stale answer would do harm.
	Reader client.Reader
	// Validate repeats the API's rules, because not every profile of every form knows all of them. An instance that
	// breaks one is reported and left as it is.
	Validate func(*v1.MySQLInstance) field.ErrorList
	// Dialer reaches the servers, which are looked after over SQL; nil leaves them alone.
	Dialer database.Dialer
	// ReplicateByAddress lets replicas reach the primary by its pod's address and not by its name.
	ReplicateByAddress bool
	// ImageRepository of the MySQL server; the tag is the version.
	ImageRepository string
	// Random is where passwords come from.
	Random   io.Reader
	Clock    clock.PassiveClock
	Recorder events.EventRecorder
	Metrics  *Metrics

	memories memories
}

// Reconcile does one pass over an instance: validate, apply the children, write the status.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	instance := &v1.MySQLInstance{}
	if err := r.Client.Get(ctx, request.NamespacedName, instance); err != nil {
		// Gone, and with it everything that it owns: the garbage collector's work, not the controller's.
		r.forgetServers(request.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	// The API has done this already, unless somebody stored the object before a field had its default.
	v1.SetObjectDefaults_MySQLInstance(instance)

	if instance.DeletionTimestamp != nil {
		return reconcile.Result{}, r.reconcileDeletion(ctx, instance)
	}
	did, err := r.reconcileChildren(ctx, instance)
	if namespaceIsTerminating(err) {
		log.FromContext(ctx).V(1).Info("the namespace is being deleted, and the instance with it")
		return reconcile.Result{}, nil
	}
	obstacle, failure := splitBlocked(err)
	if failure != nil && !did.wrote {
		// Nothing is known that the status does not say already, and the API server may be what fails.
		return reconcile.Result{}, failure
	}
	o, err := r.observe(ctx, instance)
	if err != nil {
		return reconcile.Result{}, errors.Join(failure, err)
	}
	o.blocked, o.writing, o.rootSecret = obstacle, did.wrote || failure != nil, did.facts.rootSecretIdentity
	o.plan, o.growth, o.backups.obstacle = did.plan, did.growth, did.backupObstacle
	o.connects = r.Dialer != nil
	var pause time.Duration
	if obstacle == nil && failure == nil {
		if o.servers, pause, failure = r.tendServers(ctx, instance, did, o); apierrors.IsConflict(failure) {
			return reconcile.Result{}, failure
		}
	}
	status := statusOf(instance, o, metav1.NewTime(r.Clock.Now()))
	if err := errors.Join(failure, r.writeStatus(ctx, instance, status)); err != nil {
		return reconcile.Result{}, err
	}
	var result reconcile.Result
	if pause > 0 {
		result = sooner(result, pause)
	}
	if obstacle != nil || did.backupObstacle != nil || did.growth.refused != "" {
		result = sooner(result, blockedRetry)
	}
	if opens := did.plan.opens; !opens.IsZero() {
		result = sooner(result, opens.Sub(r.Clock.Now()))
	}
	return result, nil
}

func (r *Reconciler) reconcileDeletion(ctx context.Context, instance *v1.MySQLInstance) error {
	message, err := r.finalize(ctx, instance)
	if err != nil || message == "" {
		return err
	}
	status := deletingStatus(instance, message, metav1.NewTime(r.Clock.Now()))
	return client.IgnoreNotFound(r.writeStatus(ctx, instance, status))
}

// sooner looks at an instance again after a pause, unless it is looked at before that anyway. A pause that is over
// already is a short one.
func sooner(result reconcile.Result, pause time.Duration) reconcile.Result {
	pause = max(pause, time.Millisecond)
	if result.RequeueAfter == 0 || pause < result.RequeueAfter {
		result.RequeueAfter = pause
	}
	return result
}

// pass is what one reconcile found, decided and did.
type pass struct {
	facts  facts
	plan   plan
	growth growth
	// backupObstacle is why the children that make backups are not as the spec asks; nil if nothing is in the way.
	backupObstacle *blocked
	// wrote is true once a child was written.
	wrote bool
}

// reconcileChildren applies the children in the order in which they need each other. The first error ends it: the next
// pass begins from the start, and finds what was done.
func (r *Reconciler) reconcileChildren(ctx context.Context, instance *v1.MySQLInstance) (did pass, err error) {
	if errs := r.Validate(instance); len(errs) > 0 {
		return did, &blocked{reason: ReasonInvalidSpec, message: fmt.Sprintf(
			"the instance is left as it is: %v", errs.ToAggregate())}
	}
	if err := r.ensureFinalizer(ctx, instance); err != nil {
		return did, err
	}
	if did.facts, err = r.gatherFacts(ctx, instance); err != nil {
		return did, err
	}
	if did.plan, err = planRollout(instance, did.facts, r.ImageRepository, r.Clock.Now()); err != nil {
		return did, err
	}
	if did.growth, did.wrote, err = r.growClaims(ctx, instance, did.facts); err != nil {
		return did, err
	}
	for _, child := range r.children(instance, did) {
		changed, err := child(ctx)
		did.wrote = did.wrote || changed
		if err != nil {
			return did, err
		}
	}
	changed, err := r.reconcileBackup(ctx, instance, did.plan.rollout)
	did.wrote = did.wrote || changed
	if !namespaceIsTerminating(err) {
		did.backupObstacle, err = splitBlocked(err)
	}
	return did, err
}

// children are the writes of one pass, one for each child. Each says whether there was something to write.
func (r *Reconciler) children(instance *v1.MySQLInstance, p pass) []func(context.Context) (bool, error) {
	children := []func(context.Context) (bool, error){
		applying(r, instance, &corev1.Secret{}, accountsSecret(instance), corev1ac.ExtractSecret),
		applying(r, instance, &corev1.ConfigMap{}, configuration(instance, p.plan.rollout), corev1ac.ExtractConfigMap),
		applying(r, instance, &corev1.Service{}, headlessService(instance), corev1ac.ExtractService),
		applying(r, instance, &corev1.Service{}, primaryService(instance), corev1ac.ExtractService),
		applying(r, instance, &corev1.Service{}, readService(instance), corev1ac.ExtractService),
		applying(r, instance, &policyv1.PodDisruptionBudget{}, podDisruptionBudget(instance),
			policyv1ac.ExtractPodDisruptionBudget),
		r.servers(instance, p),
	}
	if instance.Spec.Credentials == nil {
		secret := applying(r, instance, &corev1.Secret{}, rootSecret(instance), corev1ac.ExtractSecret)
		children = slices.Insert(children, 0, secret)
	}
	return children
}

// servers is the write of the StatefulSet: an apply, or the deletion that makes room for one with larger volumes.
func (r *Reconciler) servers(instance *v1.MySQLInstance, p pass) func(context.Context) (bool, error) {
	set := p.facts.set
	if set != nil && set.DeletionTimestamp == nil && p.growth.refused == "" && templateIsSmall(instance, set) {
		return func(ctx context.Context) (bool, error) { return r.orphanPods(ctx, set) }
	}
	return applying(r, instance, &appsv1.StatefulSet{}, statefulSet(instance, p.facts, p.plan.rollout),
		appsv1ac.ExtractStatefulSet)
}

// splitBlocked takes what has to be reported apart from what only has to be tried again.
func splitBlocked(err error) (*blocked, error) {
	var b *blocked
	if errors.As(err, &b) {
		return b, nil
	}
	return nil, err
}

// conflictsAreQuiet keeps what is no fault out of the log of errors: somebody else wrote first, and the next pass sees
// what they wrote.
func conflictsAreQuiet(inner reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		result, err := inner.Reconcile(ctx, request)
		if apierrors.IsConflict(err) {
			log.FromContext(ctx).V(1).Info("somebody else wrote first, trying again", "reason", err.Error())
			return reconcile.Result{RequeueAfter: time.Second}, nil
		}
		return result, err
	})
}
