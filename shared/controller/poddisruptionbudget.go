package controller

import (
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// podDisruptionBudget lets an eviction take one server at a time. It is no smaller for a single server: a budget of
// zero would stop every node drain for ever. While the instance is stopped there is nothing to evict, and the budget
// stays, so that a start has it from its first server on. A server that is not ready anyway may always be evicted: it
// may be its node that keeps it from becoming so.
func podDisruptionBudget(instance *v1.MySQLInstance) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	return policyv1ac.PodDisruptionBudget(namesOf(instance).podDisruptionBudget, instance.Namespace).
		WithLabels(selectorLabels(instance)).
		WithOwnerReferences(ownerReference(instance)).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selectorLabels(instance))))
}
