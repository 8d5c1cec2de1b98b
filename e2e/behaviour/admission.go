package behaviour

import (
	"context"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

var admissionRows = []Row{
	{
		ID: "B10", Group: Validation, Title: "ValidatingAdmissionPolicy",
		Why:    "A cluster's rules must hold for every kind, whoever serves it.",
		Source: "apiserver pkg/server/options/admission.go: an aggregated server evaluates policies itself",
		Flag:   Parity, Labels: []string{Slow},
		Expect: Both("7 replicas 422 Invalid, 5 replicas 201"),
		Probe:  validatingPolicy,
	},
	{
		ID: "B11", Group: Validation, Title: "MutatingAdmissionPolicy",
		Why:    "It replaces mutating webhooks since 1.36, if every server evaluates it.",
		Source: "apiserver pkg/admission/plugin/policy/mutating", Flag: Parity, Labels: []string{Slow},
		Expect: Both("the label is added"),
		Probe:  mutatingPolicy,
	},
	{
		ID: "B13", Group: Validation, Title: "A policy on every way to write",
		Why: "A storage that does not pass the check on is a door past every policy of the cluster, " +
			"and nothing shows it.",
		Source: "apiserver pkg/registry/rest: createValidation and updateValidation are arguments of the storage",
		Flag:   Parity, Labels: []string{Slow},
		Expect: Both("create 422 Invalid, update 422 Invalid, JSON patch 422 Invalid, merge patch 422 Invalid, " +
			"apply 422 Invalid, apply of a new one 422 Invalid, in v1alpha1 422 Invalid, status 422 Invalid, " +
			"scale 422 Invalid, delete 422 Invalid, delete all 422 Invalid"),
		Needs: []install.Capability{install.MultipleVersions},
		Probe: everyWayToWrite,
	},
	{
		ID: "B14", Group: Validation, Title: "Create in a namespace that is missing or going",
		Why:    "Objects created there would never be seen or cleaned up.",
		Source: "apiserver pkg/admission/plugin/namespace/lifecycle", Flag: Parity,
		Expect: Both("missing 404 NotFound, going 403 Forbidden (NamespaceTerminating)"),
		Probe:  namespaceLifecycle,
	},
	{
		ID: "B16", Group: Validation, Title: "Warnings about accepted objects",
		Why:    "What is allowed but unwise is best said to the person who writes it.",
		Source: "api-concepts, Warnings; a webhook or the server's strategy", Flag: Parity,
		Needs: []install.Capability{install.GoValidation},
		Expect: Both("201 with: no backup is scheduled: a lost volume is lost data; " +
			"2 is an even number of servers: no side of a split has the majority"),
		Probe: warnings,
	},
}

// inNamespace selects one namespace for a policy.
func inNamespace(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}
}

// onWrites are the rules by which a policy is asked about our objects.
func onWrites() []admissionv1.NamedRuleWithOperations {
	return []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule: admissionv1.Rule{
			APIGroups: []string{fixture.Group}, APIVersions: []string{"*"}, Resources: []string{fixture.Resource},
		},
	}}}
}

// refuse has the API servers refuse what does not meet an expression, in the row's namespace.
func (s *Subject) refuse(ctx context.Context, rules []admissionv1.NamedRuleWithOperations, unless string) error {
	client, err := s.kubernetes()
	if err != nil {
		return err
	}
	policies := client.AdmissionregistrationV1().ValidatingAdmissionPolicies()
	bindings := client.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	named := metav1.ObjectMeta{Name: s.Namespace}
	_, err = policies.Create(ctx, &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: named,
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				ResourceRules: rules, NamespaceSelector: inNamespace(s.Namespace),
			},
			Validations: []admissionv1.Validation{{Expression: unless}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not create a policy: %w", err)
	}
	s.afterwards(func(ctx context.Context) error {
		return policies.Delete(ctx, named.Name, metav1.DeleteOptions{})
	})
	_, err = bindings.Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: named,
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: named.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not bind the policy: %w", err)
	}
	s.afterwards(func(ctx context.Context) error {
		return bindings.Delete(ctx, named.Name, metav1.DeleteOptions{})
	})
	return nil
}

func validatingPolicy(ctx context.Context, s *Subject) (Observation, error) {
	if err := s.refuse(ctx, onWrites(), "object.spec.replicas <= 5"); err != nil {
		return Observation{}, err
	}
	var refused *wire.Answer
	err := eventually(ctx, "the policy enforced", func(ctx context.Context) (bool, error) {
		var err error
		refused, err = s.post(ctx, s.path(), fixture.Instance("db", fixture.With("spec.replicas", 7)),
			wire.Query("dryRun", metav1.DryRunAll))
		return err == nil && !refused.OK(), err
	})
	if err != nil {
		return Observation{}, err
	}
	accepted, err := s.post(ctx, s.path(), fixture.Instance("db", fixture.With("spec.replicas", 5)))
	if err != nil {
		return Observation{}, err
	}
	return observed("7 replicas %s, 5 replicas %s", refused.Verdict(), accepted.Verdict())
}

func everyWayToWrite(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	rules := onWrites()
	rules[0].Operations = []admissionv1.OperationType{admissionv1.OperationAll}
	rules[0].Resources = []string{fixture.Resource + "/*", fixture.Resource}
	if err := s.refuse(ctx, rules, "false"); err != nil {
		return Observation{}, err
	}
	err := eventually(ctx, "the policy enforced", func(ctx context.Context) (bool, error) {
		answer, err := s.post(ctx, s.path(), fixture.Instance("trial"), wire.Query("dryRun", metav1.DryRunAll))
		return err == nil && !answer.OK(), err
	})
	if err != nil {
		return Observation{}, err
	}
	merge := wire.PatchType(types.MergePatchType)
	var seen []string
	for _, way := range []struct {
		name string
		try  func() (*wire.Answer, error)
	}{
		{"create", func() (*wire.Answer, error) { return s.post(ctx, s.path(), fixture.Instance("other")) }},
		{"update", func() (*wire.Answer, error) { return s.update(ctx, fixture.With("spec.replicas", 3)) }},
		{"JSON patch", func() (*wire.Answer, error) {
			return s.patch(ctx, s.path("db"), `[{"op":"replace","path":"/spec/replicas","value":3}]`,
				wire.PatchType(types.JSONPatchType))
		}},
		{"merge patch", func() (*wire.Answer, error) {
			return s.patch(ctx, s.path("db"), `{"spec":{"replicas":3}}`, merge)
		}},
		{"apply", func() (*wire.Answer, error) {
			return s.apply(ctx, "tuner", fixture.Instance("db", fixture.With("spec.replicas", 3)),
				wire.Query("force", "true"))
		}},
		{"apply of a new one", func() (*wire.Answer, error) {
			return s.apply(ctx, "tuner", fixture.Instance("other"))
		}},
		{"in v1alpha1", func() (*wire.Answer, error) {
			return s.patch(ctx, s.alpha("db"), `{"spec":{"readReplicas":2}}`, merge)
		}},
		{"status", func() (*wire.Answer, error) {
			return s.patch(ctx, s.path("db", "status"), `{"status":{"primary":"db-0"}}`, merge)
		}},
		{"scale", func() (*wire.Answer, error) {
			return s.patch(ctx, s.path("db", "scale"), `{"spec":{"replicas":3}}`, merge)
		}},
		{"delete", func() (*wire.Answer, error) { return s.delete(ctx, s.path("db"), nil) }},
		{"delete all", func() (*wire.Answer, error) { return s.delete(ctx, s.path(), nil) }},
	} {
		answer, err := way.try()
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, way.name+" "+answer.Verdict())
	}
	return observed("%s", strings.Join(seen, ", "))
}

func mutatingPolicy(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	policies := client.AdmissionregistrationV1().MutatingAdmissionPolicies()
	bindings := client.AdmissionregistrationV1().MutatingAdmissionPolicyBindings()
	named := metav1.ObjectMeta{Name: s.Namespace}
	_, err = policies.Create(ctx, &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: named,
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				ResourceRules: onWrites(), NamespaceSelector: inNamespace(s.Namespace),
			},
			ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			Mutations: []admissionv1.Mutation{{
				PatchType: admissionv1.PatchTypeApplyConfiguration,
				ApplyConfiguration: &admissionv1.ApplyConfiguration{
					Expression: `Object{metadata: Object.metadata{labels: {"tier": "policy"}}}`,
				},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create a policy: %w", err)
	}
	s.afterwards(func(ctx context.Context) error {
		return policies.Delete(ctx, named.Name, metav1.DeleteOptions{})
	})
	_, err = bindings.Create(ctx, &admissionv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: named, Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: named.Name},
	}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not bind the policy: %w", err)
	}
	s.afterwards(func(ctx context.Context) error {
		return bindings.Delete(ctx, named.Name, metav1.DeleteOptions{})
	})

	err = eventually(ctx, "the policy's label", func(ctx context.Context) (bool, error) {
		answer, err := s.post(ctx, s.path(), fixture.Instance("db"), wire.Query("dryRun", metav1.DryRunAll))
		if err != nil || !answer.OK() {
			return false, err // the policy may be known before the types that it needs
		}
		object, err := answer.Object()
		return err == nil && object.GetLabels()["tier"] == "policy", err
	})
	if err != nil {
		return Observation{}, err
	}
	return observed("the label is added")
}

func namespaceLifecycle(ctx context.Context, s *Subject) (Observation, error) {
	missing, err := s.post(ctx, fixture.Path(fixture.V1, s.Namespace+"-missing"), fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	// Something with a finalizer keeps the namespace from going before it was looked at.
	anchors := client.CoreV1().ConfigMaps(s.Namespace)
	_, err = anchors.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "anchor", Finalizers: []string{"duet.example.com/anchor"},
	}}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create what keeps the namespace: %w", err)
	}
	s.afterwards(func(ctx context.Context) error {
		_, err := anchors.Patch(ctx, "anchor", types.MergePatchType,
			[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		return err
	})
	if err := client.CoreV1().Namespaces().Delete(ctx, s.Namespace, metav1.DeleteOptions{}); err != nil {
		return Observation{}, fmt.Errorf("could not delete the namespace: %w", err)
	}
	var going *wire.Answer
	err = eventually(ctx, "a refusal in a namespace that is going", func(ctx context.Context) (bool, error) {
		going, err = s.post(ctx, s.path(), fixture.Instance("", fixture.Without("metadata.name"),
			fixture.With("metadata.generateName", "late-")))
		return err == nil && !going.OK(), err
	})
	if err != nil {
		return Observation{}, err
	}
	cause := "no cause"
	if status := going.Status(); status != nil && status.Details != nil && len(status.Details.Causes) > 0 {
		cause = string(status.Details.Causes[0].Type)
	}
	verdict, _, _ := strings.Cut(going.Verdict(), ":")
	return observed("missing %s, going %s (%s)", missing.Verdict(), verdict, cause)
}

func warnings(ctx context.Context, s *Subject) (Observation, error) {
	unwise := func(o *unstructured.Unstructured) {
		fixture.Without("spec.backup")(o)
		fixture.With("spec.replicas", 2)(o)
	}
	answer, err := s.post(ctx, s.path(), fixture.Instance("db", unwise))
	if err != nil {
		return Observation{}, err
	}
	return observed("%s with: %s", answer.Verdict(), strings.Join(answer.Warnings(), "; "))
}
