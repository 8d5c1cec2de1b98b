package crdimpl

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"

	"github.com/duet-api/duet/crd-impl/webhook"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

var at = endpoint{address: "127.0.0.1:9443", caBundle: []byte("-----BEGIN CERTIFICATE-----\n")}

func converting() (*unstructured.Unstructured, error) {
	return convertingCRD(at.client(webhook.ConvertPath))
}

func parked() (*unstructured.Unstructured, error) {
	crd, err := converting()
	if err != nil {
		return nil, err
	}
	return parkedCRD(crd), nil
}

func typed[T any](t *testing.T, object *unstructured.Unstructured) *T {
	t.Helper()
	into := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, into, true); err != nil {
		t.Fatal(err)
	}
	return into
}

// version is what a profile decides about a version.
type version struct {
	Name            string
	Served, Storage bool
}

func TestProfilesOfTheCRD(t *testing.T) {
	tests := map[string]struct {
		make           func() (*unstructured.Unstructured, error)
		wantVersions   []version
		wantConversion apiextensionsv1.ConversionStrategyType
		wantURL        string
	}{
		ProfileWebhooks: {
			make:           converting,
			wantVersions:   []version{{"v1", true, true}, {"v1alpha1", true, false}},
			wantConversion: apiextensionsv1.WebhookConverter, wantURL: "https://127.0.0.1:9443/convert",
		},
		ProfileSchemaOnly: {
			make:           schemaOnlyCRD,
			wantVersions:   []version{{"v1", true, true}},
			wantConversion: apiextensionsv1.NoneConverter,
		},
		"parked": {
			make:           parked,
			wantVersions:   []version{{"v1", false, true}, {"v1alpha1", false, false}},
			wantConversion: apiextensionsv1.NoneConverter,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			object, err := test.make()
			if err != nil {
				t.Fatal(err)
			}
			if _, found := object.Object["status"]; found {
				t.Error("the definition has a status, which is not ours to write")
			}
			crd := typed[apiextensionsv1.CustomResourceDefinition](t, object)
			var versions []version
			for _, v := range crd.Spec.Versions {
				versions = append(versions, version{v.Name, v.Served, v.Storage})
			}
			if diff := cmp.Diff(test.wantVersions, versions); diff != "" {
				t.Errorf("versions (-want +got):\n%s", diff)
			}
			conversion := crd.Spec.Conversion
			if conversion.Strategy != test.wantConversion {
				t.Errorf("conversion strategy is %s, want %s", conversion.Strategy, test.wantConversion)
			}
			url := ""
			if conversion.Webhook != nil {
				url = *conversion.Webhook.ClientConfig.URL
				if diff := cmp.Diff(at.caBundle, conversion.Webhook.ClientConfig.CABundle); diff != "" {
					t.Errorf("caBundle (-want +got):\n%s", diff)
				}
			}
			if url != test.wantURL {
				t.Errorf("conversion URL is %q, want %q", url, test.wantURL)
			}
			accepted(t, crd)
		})
	}
}

// accepted runs the checks that kube-apiserver would run on the definition, the cost of its CEL rules among them.
func accepted(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{apiextensions.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	scheme.Default(crd)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := scheme.Convert(crd, internal, nil); err != nil {
		t.Fatal(err)
	}
	for i := range crd.Spec.Versions {
		if crd.Spec.Versions[i].Storage {
			internal.Status.StoredVersions = []string{crd.Spec.Versions[i].Name}
		}
	}
	// A caBundle has to be a real certificate, which this test has none of.
	if internal.Spec.Conversion.WebhookClientConfig != nil {
		internal.Spec.Conversion.WebhookClientConfig.CABundle = nil
	}
	for _, err := range validation.ValidateCustomResourceDefinition(t.Context(), internal) {
		t.Error(err)
	}
}

func TestWebhookConfigurations(t *testing.T) {
	objects, err := webhookConfigurations(at)
	if err != nil {
		t.Fatal(err)
	}
	mutating := typed[admissionregistrationv1.MutatingWebhookConfiguration](t, objects[0]).Webhooks
	validating := typed[admissionregistrationv1.ValidatingWebhookConfiguration](t, objects[1]).Webhooks
	if len(mutating) != 1 || len(validating) != 1 {
		t.Fatalf("%d mutating and %d validating webhooks, want one of each", len(mutating), len(validating))
	}
	clients := map[string]admissionregistrationv1.WebhookClientConfig{
		"https://127.0.0.1:9443/default":  mutating[0].ClientConfig,
		"https://127.0.0.1:9443/validate": validating[0].ClientConfig,
	}
	for wantURL, client := range clients {
		if client.Service != nil || client.URL == nil || *client.URL != wantURL {
			t.Errorf("client is %+v, want URL %s and no service", client, wantURL)
		}
		if diff := cmp.Diff(at.caBundle, client.CABundle); diff != "" {
			t.Errorf("caBundle of %s (-want +got):\n%s", wantURL, diff)
		}
	}
	// A write that the server cannot judge must not pass, and each object is judged in the user's own version.
	for _, policy := range []*admissionregistrationv1.FailurePolicyType{mutating[0].FailurePolicy, validating[0].FailurePolicy} {
		if *policy != admissionregistrationv1.Fail {
			t.Errorf("failure policy is %s, want Fail", *policy)
		}
	}
	for _, condition := range slices.Concat(mutating[0].MatchConditions, validating[0].MatchConditions) {
		for _, message := range utilvalidation.IsQualifiedName(condition.Name) {
			t.Errorf("kube-apiserver refuses the condition %q: %s", condition.Name, message)
		}
	}
	if *validating[0].MatchPolicy != admissionregistrationv1.Exact {
		t.Errorf("match policy is %s, want Exact", *validating[0].MatchPolicy)
	}
	if diff := cmp.Diff([]string{"v1", "v1alpha1"}, validating[0].Rules[0].APIVersions); diff != "" {
		t.Errorf("validated versions (-want +got):\n%s", diff)
	}
}

func TestForm(t *testing.T) {
	form := Form{}
	if form.Name() != install.CRD {
		t.Errorf("name is %q", form.Name())
	}
	if diff := cmp.Diff([]string{ProfileWebhooks, ProfileSchemaOnly}, form.Profiles()); diff != "" {
		t.Errorf("profiles (-want +got):\n%s", diff)
	}
	for _, profile := range form.Profiles() {
		several := len(form.Versions(profile)) > 1
		if form.Capabilities(profile).Has(install.MultipleVersions) != several {
			t.Errorf("profile %s serves %s, and says otherwise about its capabilities", profile, form.Versions(profile))
		}
		if own := profile != ProfileSchemaOnly; form.Capabilities(profile).Has(install.OwnServer) != own {
			t.Errorf("profile %s says otherwise about having a server of its own, want %t", profile, own)
		}
		if form.Versions(profile)[0] != install.Resource.Version {
			t.Errorf("profile %s has %s first, want the storage version", profile, form.Versions(profile))
		}
	}
	if _, err := form.Plan(t.Context(), nil, "bare"); err == nil || !strings.Contains(err.Error(), `"bare"`) {
		t.Errorf("an unknown profile gives %v", err)
	}
}

func TestSchemaOnlyNeedsNothingBesideTheCRD(t *testing.T) {
	plan, err := planSchemaOnly(controlplane.EtcdAccess{})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Prerequisites)+len(plan.Processes) != 0 || len(plan.Objects) != 1 {
		t.Errorf("plan is %+v, want one object and nothing else", plan)
	}
	parked := Form{}.Park(plan)
	if len(parked) != 1 || parked[0].GetName() != plan.Objects[0].GetName() {
		t.Fatalf("parked is %v, want the definition", parked)
	}
	crd := typed[apiextensionsv1.CustomResourceDefinition](t, plan.Objects[0])
	if !slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Served }) {
		t.Error("parking has changed the plan")
	}
}
