package install

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Policy is a ValidatingAdmissionPolicy and its binding, of the same name. It refuses the requests that one of the rules and
// all conditions match, unless an expression is true of them. What it cannot evaluate it refuses.
//
// It takes effect some moments after it was written, and at each kube-apiserver by itself: who relies on it tries until it
// is RefusedBy it.
func Policy(name string, rules, conditions []any, expression, message string) []*unstructured.Unstructured {
	spec := map[string]any{
		"failurePolicy":    "Fail",
		"matchConstraints": map[string]any{"resourceRules": rules},
		"validations":      []any{map[string]any{"expression": expression, "message": message}},
	}
	if len(conditions) > 0 {
		spec["matchConditions"] = conditions
	}
	return []*unstructured.Unstructured{
		{Object: map[string]any{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
			"metadata": map[string]any{"name": name}, "spec": spec,
		}},
		{Object: map[string]any{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
			"metadata": map[string]any{"name": name},
			"spec":     map[string]any{"policyName": name, "validationActions": []any{"Deny"}},
		}},
	}
}

// ErrNotEnforced is what RefusedBy says of a request that a policy should have refused, and let in.
var ErrNotEnforced = errors.New("is not enforced")

// RefusedBy is nil when a policy refused a request. Any other answer is an error, success included.
func RefusedBy(policy string, err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("policy %s %w", policy, ErrNotEnforced)
	case (apierrors.IsInvalid(err) || apierrors.IsForbidden(err)) && strings.Contains(err.Error(), policy):
		return nil
	}
	return err
}
