package controller

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// podDisruptionBudget lets an eviction take one server at a time. It is no smaller for a single server: a budget of
// zero would stop every node drain for ever.
func podDisruptionBudget(instance *v1.MySQLInstance) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	return policyv1ac.PodDisruptionBudget(namesOf(instance).podDisruptionBudget, instance.Namespace).
		WithLabels(selectorLabels(instance)).
		WithOwnerReferences(ownerReference(instance)).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selectorLabels(instance))))
}
