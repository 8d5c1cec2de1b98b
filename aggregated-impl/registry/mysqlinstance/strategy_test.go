package mysqlinstance

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/install"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// newInstance is a valid instance with the defaults of v1, as a decoded request has them.
func newInstance(t *testing.T) *mysql.MySQLInstance {
	t.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	versioned := &v1.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "ns", ResourceVersion: "1"},
		Spec:       v1.MySQLInstanceSpec{Version: "8.4.3", Storage: v1.Storage{VolumeSize: resource.MustParse("10Gi")}},
	}
	scheme.Default(versioned)
	instance := &mysql.MySQLInstance{}
	if err := scheme.Convert(versioned, instance, nil); err != nil {
		t.Fatal(err)
	}
	return instance
}

func TestPrepareForCreate(t *testing.T) {
	instance := newInstance(t)
	instance.Generation = 17
	instance.Status.Primary = "forged"
	want := newInstance(t)
	want.Generation = 1

	NewStrategy(nil).PrepareForCreate(t.Context(), instance)
	if diff := cmp.Diff(want, instance); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPrepareForUpdate(t *testing.T) {
	for name, test := range map[string]struct {
		change         func(*mysql.MySQLInstance)
		wantGeneration int64
	}{
		"nothing":           {func(*mysql.MySQLInstance) {}, 4},
		"a label":           {func(i *mysql.MySQLInstance) { i.Labels = map[string]string{"a": "b"} }, 4},
		"the status":        {func(i *mysql.MySQLInstance) { i.Status.Primary = "forged" }, 4},
		"a replica":         {func(i *mysql.MySQLInstance) { i.Spec.Replicas = ptr.To(int32(2)) }, 5},
		"an empty list":     {func(i *mysql.MySQLInstance) { i.Spec.Parameters = []mysql.Parameter{} }, 4},
		"the same size":     {func(i *mysql.MySQLInstance) { i.Spec.Storage.VolumeSize = resource.MustParse("10240Mi") }, 4},
		"a forged counting": {func(i *mysql.MySQLInstance) { i.Spec.PowerState, i.Generation = mysql.PowerStopped, 99 }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			old := newInstance(t)
			old.Generation = 4
			old.Status.Primary = "db-0"
			instance := old.DeepCopy()
			test.change(instance)
			wantSpec := instance.Spec.DeepCopy()

			NewStrategy(nil).PrepareForUpdate(t.Context(), instance, old)
			if instance.Generation != test.wantGeneration {
				t.Errorf("generation %d, want %d", instance.Generation, test.wantGeneration)
			}
			if instance.Status.Primary != "db-0" {
				t.Errorf("the status was changed: %+v", instance.Status)
			}
			if diff := cmp.Diff(*wantSpec, instance.Spec); diff != "" {
				t.Errorf("the spec was changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatusPrepareForUpdate(t *testing.T) {
	old := newInstance(t)
	old.Generation = 4
	old.Labels = map[string]string{"kept": "yes"}
	old.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "owner"}}
	instance := old.DeepCopy()
	instance.Spec.Replicas = ptr.To(int32(9))
	instance.Labels = map[string]string{"forged": "yes"}
	instance.Finalizers = []string{"forged"}
	instance.Status.Primary = "db-0"
	instance.ManagedFields = append(instance.ManagedFields, metav1.ManagedFieldsEntry{Manager: "controller"})
	want := old.DeepCopy()
	want.Status.Primary = "db-0"
	want.ManagedFields = instance.ManagedFields

	StatusStrategy{NewStrategy(nil)}.PrepareForUpdate(t.Context(), instance, old)
	if diff := cmp.Diff(want, instance); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Both are in the watch cache's reach: they must not share what one of them may change.
	instance.Labels["kept"] = "no"
	if old.Labels["kept"] != "yes" {
		t.Error("the new object shares its labels with the stored one")
	}
}

func TestErrorsSpeakTheRequestsVersion(t *testing.T) {
	old, instance := newInstance(t), newInstance(t)
	instance.Spec.Version = "5.7.1"
	for version, want := range map[string]string{
		"v1": "spec.version", "v1alpha1": "spec.engineVersion", "": "spec.version",
	} {
		ctx := t.Context()
		if version != "" {
			ctx = genericapirequest.WithRequestInfo(ctx, &genericapirequest.RequestInfo{APIVersion: version})
		}
		for verb, errs := range map[string]field.ErrorList{
			"create": NewStrategy(nil).Validate(ctx, instance),
			"update": NewStrategy(nil).ValidateUpdate(ctx, instance, old),
		} {
			if len(errs) == 0 {
				t.Errorf("%s in %q: accepted", verb, version)
			}
			for _, err := range errs {
				if err.Field != want {
					t.Errorf("%s in %q: got %v, want it to name %s", verb, version, err, want)
				}
			}
		}
	}
}

func TestStatusIsValidated(t *testing.T) {
	old := newInstance(t)
	instance := old.DeepCopy()
	instance.Status.ReadyReplicas = 1
	if errs := (StatusStrategy{NewStrategy(nil)}).ValidateUpdate(t.Context(), instance, old); len(errs) > 0 {
		t.Errorf("a good status was refused: %v", errs)
	}
	instance.Status.Conditions = []metav1.Condition{{Type: "Ready"}, {Type: "Ready"}}
	if errs := (StatusStrategy{NewStrategy(nil)}).ValidateUpdate(t.Context(), instance, old); len(errs) == 0 {
		t.Error("two conditions of one type were accepted")
	}
}

func TestResetFields(t *testing.T) {
	status := fieldpath.NewSet(fieldpath.MakePathOrDie("status"))
	rest := fieldpath.NewSet(fieldpath.MakePathOrDie("metadata"), fieldpath.MakePathOrDie("spec"))
	for _, version := range []fieldpath.APIVersion{"mysql.example.com/v1", "mysql.example.com/v1alpha1"} {
		if got := NewStrategy(nil).GetResetFields()[version]; !got.Equals(status) {
			t.Errorf("%s: main resets %s, want %s", version, got, status)
		}
		if got := (StatusStrategy{}).GetResetFields()[version]; !got.Equals(rest) {
			t.Errorf("%s: status resets %s, want %s", version, got, rest)
		}
	}
}

func TestUpdateRules(t *testing.T) {
	strategy := NewStrategy(nil)
	if !strategy.NamespaceScoped() || strategy.AllowCreateOnUpdate() || strategy.AllowUnconditionalUpdate() {
		t.Error("the rules of updates are not those of a CustomResourceDefinition")
	}
}
