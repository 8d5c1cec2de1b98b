package crdimpl

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/crd-impl/config"
	"github.com/duet-api/duet/shared/api/mysql/fuzzer"
	apiinstall "github.com/duet-api/duet/shared/api/mysql/install"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
	"github.com/duet-api/duet/shared/install"
)

var compiler = sync.OnceValue(func() cel.ConditionCompiler {
	return cel.NewConditionCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
})

// asks says whether kube-apiserver, by its own code, would call the webhook about a request.
func asks(t *testing.T, hook webhook.WebhookAccessor, object, old *unstructured.Unstructured) bool {
	t.Helper()
	operation := admission.Create
	var oldObject runtime.Object
	if old != nil {
		operation, oldObject = admission.Update, old
	}
	kind := object.GroupVersionKind()
	attributes := &admission.VersionedAttributes{
		Attributes: admission.NewAttributesRecord(object, oldObject, kind, "shop", object.GetName(),
			install.Resource.GroupResource().WithVersion(kind.Version), "", operation, &metav1.CreateOptions{}, false,
			&user.DefaultInfo{}),
		VersionedKind: kind, VersionedObject: object, VersionedOldObject: oldObject,
	}
	result := hook.GetCompiledMatcher(compiler()).Match(t.Context(), attributes, nil, nil)
	if result.Error != nil {
		t.Fatalf("a condition cannot judge %v: %v", object.Object, result.Error)
	}
	return result.Matches
}

func accessors(t *testing.T) (mutating, validating webhook.WebhookAccessor) {
	t.Helper()
	objects, err := config.Webhooks()
	if err != nil {
		t.Fatal(err)
	}
	first := typed[admissionregistrationv1.MutatingWebhookConfiguration](t, objects[0])
	second := typed[admissionregistrationv1.ValidatingWebhookConfiguration](t, objects[1])
	return webhook.NewMutatingWebhookAccessor("m", first.Name, &first.Webhooks[0]),
		webhook.NewValidatingWebhookAccessor("v", second.Name, &second.Webhooks[0])
}

// structural is the schema of a version, which defaults objects before any webhook is asked.
func structural(t *testing.T, version string) *structuralschema.Structural {
	t.Helper()
	crd, err := config.CRD()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range crd.Spec.Versions {
		if v.Name != version {
			continue
		}
		internal := &apiextensions.JSONSchemaProps{}
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
			v.Schema.OpenAPIV3Schema, internal, nil); err != nil {
			t.Fatal(err)
		}
		schema, err := structuralschema.NewStructural(internal)
		if err != nil {
			t.Fatal(err)
		}
		return schema
	}
	t.Fatalf("there is no version %s", version)
	return nil
}

// The configuration leaves out what the defaulting webhook would not change. Were a default added to shared/api that a
// schema cannot say, nobody would ask the webhook for it until the configuration follows: this test says so.
func TestNoDefaultIsLeftOut(t *testing.T) {
	const objects = 2000
	scheme := runtime.NewScheme()
	apiinstall.Install(scheme)
	mutating, _ := accessors(t)
	nested, flat := &v1.MySQLInstance{}, &v1alpha1.MySQLInstance{}
	tests := map[string]struct {
		object    runtime.Object
		vary      func() // makes values likely that random ones seldom are
		wantAsked bool   // for some of the objects
	}{
		storageVersion:    {object: nested, vary: func() {}},
		deprecatedVersion: {object: flat, vary: func() { flat.Spec.BackupRetentionDays = ptr.To[int32](7) }, wantAsked: true},
	}
	for version, test := range tests {
		t.Run(version, func(t *testing.T) {
			schema := structural(t, version)
			kind := install.Resource.GroupResource().WithVersion(version).GroupVersion().WithKind("MySQLInstance")
			fill := fuzzer.New(1, scheme)
			asked, defaulted := 0, 0
			for i := range objects {
				fill.Fill(test.object)
				if i%2 == 0 {
					test.vary()
				}
				test.object.GetObjectKind().SetGroupVersionKind(kind)
				sent := unstructuredOf(t, test.object)
				defaulting.Default(sent.Object, schema)
				asks := test.wantAsked && asks(t, mutating, sent, nil)
				if asks {
					asked++
				}
				before, after := sent.Object, defaultedInGo(t, scheme, test.object, sent)
				if diff := cmp.Diff(before["spec"], after["spec"]); diff != "" {
					defaulted++
					if !asks {
						t.Fatalf("a default is set in Go, and no webhook is asked for it (-schema +Go):\n%s", diff)
					}
				}
			}
			if got := asked > 0 && asked < objects && defaulted > 0; got != test.wantAsked {
				t.Errorf("of %d objects, %d were sent to the webhook and %d changed by it", objects, asked, defaulted)
			}
		})
	}
}

// defaultedInGo is the object after the defaults in Go, as its typed form writes it; sent gets that form as well.
func defaultedInGo(t *testing.T, scheme *runtime.Scheme, like runtime.Object, sent *unstructured.Unstructured) map[string]any {
	t.Helper()
	object, err := scheme.New(like.GetObjectKind().GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(sent.Object, object); err != nil {
		t.Fatal(err)
	}
	sent.Object = unstructuredOf(t, object).Object
	scheme.Default(object)
	return unstructuredOf(t, object).Object
}

func unstructuredOf(t *testing.T, object runtime.Object) *unstructured.Unstructured {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	result := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &result.Object); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestDefaultingBearsAnyShape(t *testing.T) {
	mutating, _ := accessors(t)
	for _, spec := range []any{nil, "text", int64(5), []any{}, map[string]any{},
		map[string]any{"backupSchedule": int64(5)}, map[string]any{"backupSchedule": nil, "backupRetentionDays": "x"}} {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "mysql.example.com/v1alpha1", "kind": "MySQLInstance",
			"metadata": map[string]any{"name": "x"}, "spec": spec,
		}}
		asks(t, mutating, object, nil) // fails the test if a condition cannot be evaluated
	}
}

// What a v1alpha1 object carries of the v1 status may only be changed through /status, so the webhook has to see every
// change of it.
func TestCarriedFieldsReachDefaulting(t *testing.T) {
	mutating, _ := accessors(t)
	carrying := func(fields string) *unstructured.Unstructured {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "mysql.example.com/v1alpha1", "kind": "MySQLInstance",
			"metadata": map[string]any{"name": "x"}, "spec": map[string]any{"engineVersion": "8.4.3"},
		}}
		if fields != "" {
			object.SetAnnotations(map[string]string{v1alpha1.V1FieldsAnnotation: fields})
		}
		return object
	}
	for name, test := range map[string]struct {
		object, old *unstructured.Unstructured
		want        bool
	}{
		"created without": {object: carrying("")},
		"created with":    {object: carrying("{}"), want: true},
		"kept":            {object: carrying("{}"), old: carrying("{}")},
		"changed":         {object: carrying(`{"status.primary":"mine"}`), old: carrying("{}"), want: true},
		"erased":          {object: carrying(""), old: carrying("{}"), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := asks(t, mutating, test.object, test.old); got != test.want {
				t.Errorf("the webhook is asked: %t, want %t", got, test.want)
			}
		})
	}
}

func TestWhatReachesValidation(t *testing.T) {
	_, validating := accessors(t)
	stored := func(edit func(*unstructured.Unstructured)) *unstructured.Unstructured {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "mysql.example.com/v1", "kind": "MySQLInstance",
			"metadata": map[string]any{"name": "x"}, "spec": map[string]any{"version": "8.4.3", "replicas": int64(1)},
		}}
		if edit != nil {
			edit(object)
		}
		return object
	}
	annotate := func(name string) func(*unstructured.Unstructured) {
		return func(o *unstructured.Unstructured) { o.SetAnnotations(map[string]string{name: "{}"}) }
	}
	withoutSpec := func(o *unstructured.Unstructured) { delete(o.Object, "spec") }
	tests := map[string]struct {
		object, old *unstructured.Unstructured
		want        bool
	}{
		"a new object":                {object: stored(nil), want: true},
		"a new object without a spec": {object: stored(withoutSpec), want: true},
		"no change":                   {object: stored(nil), old: stored(nil)},
		"another spec": {
			object: stored(func(o *unstructured.Unstructured) { o.Object["spec"].(map[string]any)["replicas"] = int64(2) }),
			old:    stored(nil), want: true,
		},
		"a spec where there was none": {object: stored(nil), old: stored(withoutSpec), want: true},
		"a label": {
			object: stored(func(o *unstructured.Unstructured) { o.SetLabels(map[string]string{"a": "b"}) }), old: stored(nil),
		},
		"a finalizer comes off": {
			object: stored(nil), old: stored(func(o *unstructured.Unstructured) { o.SetFinalizers([]string{"a/b"}) }),
		},
		"somebody's annotation":             {object: stored(annotate("a/b")), old: stored(nil)},
		"the annotation with fields of v1":  {object: stored(annotate(v1alpha1.V1FieldsAnnotation)), old: stored(nil), want: true},
		"the annotation with v1alpha1's":    {object: stored(annotate(v1alpha1.V1alpha1FieldsAnnotation)), old: stored(nil), want: true},
		"the annotation is taken off again": {object: stored(nil), old: stored(annotate(v1alpha1.V1FieldsAnnotation)), want: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := asks(t, validating, test.object, test.old); got != test.want {
				t.Errorf("kube-apiserver asks: %t, want %t", got, test.want)
			}
		})
	}
}
