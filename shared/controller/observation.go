package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// observation is the world as the status reports it.
type observation struct {
	// blocked is why the children are not as the spec asks; nil if nothing is in the way.
	blocked *blocked
	// writing is true if this reconcile wrote a child: what the caches show is then older than the spec.
	writing bool
	// plan of this reconcile; zero if something was in the way of making one.
	plan plan
	// connects says whether the controller looks after the servers over SQL.
	connects bool
	// servers by ordinal, as they were found over SQL; nil if nobody looked.
	servers map[int]*server

	statefulSet    *appsv1.StatefulSet
	primaryService *corev1.Service
	// pods by ordinal.
	pods map[int]*corev1.Pod
	// claims by ordinal.
	claims map[int]*corev1.PersistentVolumeClaim

	backups backups
	// growth of the volumes in this reconcile.
	growth growth

	// rootSecret is the identity of the Secret with the root password; empty if it was not read.
	rootSecret string
	// primaryRootSecret is the identity of the Secret that the primary's data was made with.
	primaryRootSecret string
}

// observe reads the children from the caches.
func (r *Reconciler) observe(ctx context.Context, instance *v1.MySQLInstance) (observation, error) {
	var o observation
	n := namesOf(instance)

	var err error
	if o.statefulSet, err = r.cachedSet(ctx, instance); err != nil {
		return o, err
	}
	var service corev1.Service
	err = r.Client.Get(ctx, client.ObjectKey{Namespace: instance.Namespace, Name: n.primaryService}, &service)
	switch {
	case err == nil && checkOwnership(instance, "Service", &service) == nil:
		o.primaryService = &service
	case client.IgnoreNotFound(err) != nil:
		return o, fmt.Errorf("could not read the primary's Service: %w", err)
	}
	if o.pods, err = r.cachedPods(ctx, instance); err != nil {
		return o, err
	}
	if o.claims, err = r.cachedClaims(ctx, instance); err != nil {
		return o, err
	}
	if claim := o.claims[0]; claim != nil {
		o.primaryRootSecret = claim.Annotations[annotationRootSecret]
	}
	if o.backups, err = r.observeBackups(ctx, instance); err != nil {
		return o, err
	}
	return o, nil
}

// cachedSet is the instance's StatefulSet; nil if there is none, or if it is somebody else's.
func (r *Reconciler) cachedSet(ctx context.Context, instance *v1.MySQLInstance) (*appsv1.StatefulSet, error) {
	var set appsv1.StatefulSet
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: instance.Namespace, Name: namesOf(instance).statefulSet}, &set)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("could not read the StatefulSet: %w", err)
	case !isOwn(instance, "StatefulSet", &set):
		return nil, nil
	}
	return &set, nil
}

// cachedPods are the servers' pods by ordinal.
func (r *Reconciler) cachedPods(ctx context.Context, instance *v1.MySQLInstance) (map[int]*corev1.Pod, error) {
	var list corev1.PodList
	if err := r.Client.List(ctx, &list, ofInstance(instance)...); err != nil {
		return nil, fmt.Errorf("could not list the servers' pods: %w", err)
	}
	pods := map[int]*corev1.Pod{}
	for i := range list.Items {
		if ordinal, ok := podOrdinal(instance, list.Items[i].Name); ok {
			pods[ordinal] = &list.Items[i]
		}
	}
	return pods, nil
}

// cachedClaims are the data volumes by ordinal.
func (r *Reconciler) cachedClaims(
	ctx context.Context, instance *v1.MySQLInstance,
) (map[int]*corev1.PersistentVolumeClaim, error) {
	var list corev1.PersistentVolumeClaimList
	if err := r.Client.List(ctx, &list, ofInstance(instance)...); err != nil {
		return nil, fmt.Errorf("could not list the volumes: %w", err)
	}
	claims := map[int]*corev1.PersistentVolumeClaim{}
	for i := range list.Items {
		if ordinal, ok := claimOrdinal(instance, list.Items[i].Name); ok {
			claims[ordinal] = &list.Items[i]
		}
	}
	return claims, nil
}

// ofInstance finds what carries an instance's labels.
func ofInstance(instance *v1.MySQLInstance) []client.ListOption {
	return []client.ListOption{
		client.InNamespace(instance.Namespace), client.MatchingLabelsSelector{Selector: selector(instance)},
	}
}

// updated is how many of the pods were made of the newest template.
func (o observation) updated() int {
	count := 0
	for _, pod := range o.pods {
		if !outdated(pod, o.statefulSet) {
			count++
		}
	}
	return count
}

// primary is the pod of ordinal 0 while it serves, else nil.
func (o observation) primary() *corev1.Pod {
	if pod := o.pods[0]; pod != nil && serves(pod) {
		return pod
	}
	return nil
}

// serves says whether clients reach the pod.
func serves(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && podCondition(pod, corev1.PodReady).Status == corev1.ConditionTrue
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == kind })
	if i < 0 {
		return corev1.PodCondition{}
	}
	return pod.Status.Conditions[i]
}

// currentVersion is the oldest version among the servers that serve, and empty if none does: what every one of them
// has at least.
func (o observation) currentVersion() string {
	var oldest *version.Version
	for _, pod := range o.pods {
		if !serves(pod) {
			continue
		}
		if v := imageVersion(pod); v != nil && (oldest == nil || v.LessThan(oldest)) {
			oldest = v
		}
	}
	if oldest == nil {
		return ""
	}
	return oldest.String()
}

// imageVersion is the tag of the server's image, which is the MySQL version; nil if it is none.
func imageVersion(pod *corev1.Pod) *version.Version {
	for _, c := range pod.Spec.Containers {
		if c.Name != containerName {
			continue
		}
		_, tag, _ := strings.Cut(c.Image[strings.LastIndex(c.Image, "/")+1:], ":")
		v, err := version.ParseSemantic(tag)
		if err != nil {
			return nil
		}
		return v
	}
	return nil
}

// smallestCapacity among the servers' volumes that have one; nil if none has. What a server that was scaled away has
// left is no server's.
func (o observation) smallestCapacity(instance *v1.MySQLInstance) *resource.Quantity {
	var smallest *resource.Quantity
	for ordinal, claim := range o.claims {
		if ordinal >= int(*instance.Spec.Replicas) {
			continue
		}
		capacity, ok := claim.Status.Capacity[corev1.ResourceStorage]
		if ok && (smallest == nil || capacity.Cmp(*smallest) < 0) {
			smallest = &capacity
		}
	}
	return smallest
}

// endpoint of the writable server, from its Service: the balancer's address once it has one, else the Service's name.
func (o observation) endpoint() *v1.Endpoint {
	service := o.primaryService
	if service == nil {
		return nil
	}
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == mysqlPortName })
	if i < 0 {
		return nil
	}
	port := service.Spec.Ports[i].Port
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return &v1.Endpoint{Host: service.Name + "." + service.Namespace + ".svc", Port: port}
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if host := cmp.Or(ingress.Hostname, ingress.IP); host != "" {
			return &v1.Endpoint{Host: host, Port: port}
		}
	}
	return nil
}

// trouble says in a few words why a server does not serve.
func (o observation) trouble(instance *v1.MySQLInstance, ordinal int) string {
	name := podName(instance, ordinal)
	pod := o.pods[ordinal]
	switch {
	case pod == nil:
		return fmt.Sprintf("pod %s does not exist", name)
	case pod.DeletionTimestamp != nil:
		return fmt.Sprintf("pod %s is being deleted", name)
	}
	for _, status := range pod.Status.ContainerStatuses {
		if waiting := status.State.Waiting; waiting != nil {
			return fmt.Sprintf("pod %s waits: %s", name, because(waiting.Reason, waiting.Message))
		}
	}
	if c := podCondition(pod, corev1.PodScheduled); c.Status == corev1.ConditionFalse {
		return fmt.Sprintf("pod %s is not scheduled: %s", name, because(c.Reason, c.Message))
	}
	if pod.Spec.NodeName == "" {
		return fmt.Sprintf("pod %s is not on a node yet", name)
	}
	return fmt.Sprintf("pod %s is %s and not ready", name, pod.Status.Phase)
}

func because(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + message
}
