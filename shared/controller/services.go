package controller

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// primaryService is how clients reach the writable server: ordinal 0.
func primaryService(instance *v1.MySQLInstance) *corev1ac.ServiceApplyConfiguration {
	pods := selectorLabels(instance)
	pods[labelPodIndex] = "0"
	return service(instance, namesOf(instance).primaryService, corev1ac.ServiceSpec().
		WithType(corev1.ServiceType(instance.Spec.Service.Type)).
		WithSelector(pods).
		WithPorts(servicePort(*instance.Spec.Service.Port)))
}

// readService reaches the servers that follow the primary, and only those.
func readService(instance *v1.MySQLInstance) *corev1ac.ServiceApplyConfiguration {
	pods := selectorLabels(instance)
	pods[labelRole] = roleReplica
	return service(instance, namesOf(instance).readService, corev1ac.ServiceSpec().
		WithType(corev1.ServiceTypeClusterIP).
		WithSelector(pods).
		WithPorts(servicePort(*instance.Spec.Service.Port)))
}

// headlessService gives each server a name of its own. It publishes servers that are not ready, because a server
// becomes ready by talking to others.
func headlessService(instance *v1.MySQLInstance) *corev1ac.ServiceApplyConfiguration {
	return service(instance, namesOf(instance).headlessService, corev1ac.ServiceSpec().
		WithType(corev1.ServiceTypeClusterIP).
		WithClusterIP(corev1.ClusterIPNone).
		WithPublishNotReadyAddresses(true).
		WithSelector(selectorLabels(instance)).
		WithPorts(servicePort(mysqlPort)))
}

func service(
	instance *v1.MySQLInstance, name string, spec *corev1ac.ServiceSpecApplyConfiguration,
) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(name, instance.Namespace).
		WithLabels(selectorLabels(instance)).
		WithOwnerReferences(ownerReference(instance)).
		WithSpec(spec)
}

func servicePort(port int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().
		WithName(mysqlPortName).
		WithProtocol(corev1.ProtocolTCP).
		WithPort(port).
		WithTargetPort(intstr.FromString(mysqlPortName))
}
