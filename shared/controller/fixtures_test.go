package controller

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

var testTime = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// newInstance has nothing but what is required, and the defaults.
func newInstance(changes ...func(*v1.MySQLInstance)) *v1.MySQLInstance {
	instance := &v1.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "shop", UID: "instance-uid", Generation: 1},
		Spec: v1.MySQLInstanceSpec{
			Version: "8.4.3",
			Storage: v1.Storage{VolumeSize: resource.MustParse("10Gi")},
		},
	}
	v1.SetObjectDefaults_MySQLInstance(instance)
	for _, change := range changes {
		change(instance)
	}
	return instance
}

// elaborate sets every field that changes a child.
func elaborate(instance *v1.MySQLInstance) {
	instance.Spec.Replicas = new(int32(3))
	instance.Spec.Resources = v1.Resources{CPU: new(resource.MustParse("2000m")), Memory: new(resource.MustParse("4Gi"))}
	instance.Spec.Storage.StorageClassName = new("fast")
	instance.Spec.Credentials = &v1.Credentials{RootSecretRef: v1.SecretKeyReference{Name: "given", Key: "root"}}
	instance.Spec.Parameters = []v1.Parameter{
		{Name: "max_connections", Value: "500"},
		{Name: "init_connect", Value: `SET @note = "a # b\c"`},
	}
	instance.Spec.TLS = v1.TLS{Mode: v1.TLSRequired, SecretName: new("certificate")}
	instance.Spec.Service = v1.Service{Type: v1.ServiceNodePort, Port: new(int32(3307))}
	withBackup(instance)
	instance.Spec.DeletionPolicy = v1.DeletionDelete
}

// testRevision is what the StatefulSet controller calls the newest template of the fixtures.
const testRevision = "db-newest"

func newPod(instance *v1.MySQLInstance, ordinal int, ready bool) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: podName(instance, ordinal), Namespace: instance.Namespace, Labels: selectorLabels(instance),
		},
		Spec: corev1.PodSpec{
			NodeName:   "node",
			Containers: []corev1.Container{{Name: containerName, Image: "mysql:" + instance.Spec.Version}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	pod.Labels[appsv1.ControllerRevisionHashLabelKey] = testRevision
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
	return pod
}

// newClaim asks for its capacity, and is bound if it has one.
func newClaim(instance *v1.MySQLInstance, ordinal int, capacity string) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: dataVolume + "-" + podName(instance, ordinal), Namespace: instance.Namespace, Labels: selectorLabels(instance),
	}}
	claim.Spec.StorageClassName = new("standard")
	if capacity != "" {
		size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(capacity)}
		claim.Spec.Resources.Requests = size
		claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, size.DeepCopy()
	}
	return claim
}
