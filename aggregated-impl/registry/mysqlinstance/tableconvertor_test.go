package mysqlinstance

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdtables "k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/install"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// crdTables builds what apiextensions prints for a version of the CustomResourceDefinition in the repository.
func crdTables(t *testing.T, version string) rest.TableConvertor {
	t.Helper()
	data, err := os.ReadFile("../../../crd-impl/config/crd/mysql.example.com_mysqlinstances.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &crd); err != nil {
		t.Fatal(err)
	}
	for _, v := range crd.Spec.Versions {
		if v.Name == version {
			tables, err := crdtables.New(v.AdditionalPrinterColumns)
			if err != nil {
				t.Fatal(err)
			}
			return tables
		}
	}
	t.Fatalf("the CustomResourceDefinition has no version %s", version)
	return nil
}

// TestTablesAreTheCustomResourceDefinitions compares whole tables: columns, and cells of the same object.
func TestTablesAreTheCustomResourceDefinitions(t *testing.T) {
	scheme := runtime.NewScheme()
	install.Install(scheme)

	born := metav1.NewTime(time.Now().Add(-50 * time.Hour).Truncate(time.Second)) // "2d2h" for the next 59 minutes
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: "ns", ResourceVersion: "7", CreationTimestamp: born}
	}
	full := mysql.MySQLInstance{
		ObjectMeta: named("full"),
		Spec: mysql.MySQLInstanceSpec{
			Version: "8.4.3", Replicas: ptr.To(int32(3)), PowerState: mysql.PowerRunning,
			Storage: mysql.Storage{VolumeSize: resource.MustParse("20Gi")},
		},
		Status: mysql.MySQLInstanceStatus{
			Conditions: []metav1.Condition{
				{Type: mysql.ConditionProgressing, Status: metav1.ConditionFalse, Reason: "Done", LastTransitionTime: born},
				{Type: mysql.ConditionAvailable, Status: metav1.ConditionTrue, Reason: "Up", LastTransitionTime: born},
				{Type: mysql.ConditionReady, Status: metav1.ConditionTrue, Reason: "Up", LastTransitionTime: born},
			},
			Replicas: 3, ReadyReplicas: 3, Endpoint: &mysql.Endpoint{Host: "full-primary.ns.svc", Port: 3306},
		},
	}
	objects := map[string]runtime.Object{
		"everything set": &full,
		"no status": &mysql.MySQLInstance{
			ObjectMeta: named("bare"),
			Spec:       mysql.MySQLInstanceSpec{Version: "8.0.40", Storage: mysql.Storage{VolumeSize: resource.MustParse("1536Mi")}},
		},
		"never stored": &mysql.MySQLInstance{ObjectMeta: metav1.ObjectMeta{Name: "new"}},
		"a page of a list": &mysql.MySQLInstanceList{
			ListMeta: metav1.ListMeta{ResourceVersion: "9", Continue: "next", RemainingItemCount: ptr.To(int64(4))},
			Items:    []mysql.MySQLInstance{full, {ObjectMeta: named("second")}},
		},
		"an empty list": &mysql.MySQLInstanceList{ListMeta: metav1.ListMeta{ResourceVersion: "9"}},
	}
	convertors := map[schema.GroupVersion]rest.TableConvertor{
		v1.SchemeGroupVersion:       NewV1TableConvertor(scheme),
		v1alpha1.SchemeGroupVersion: NewV1alpha1TableConvertor(scheme),
	}
	for gv, convertor := range convertors {
		for name, object := range objects {
			for _, options := range []*metav1.TableOptions{{}, {NoHeaders: true}} {
				t.Run(gv.Version+" "+name, func(t *testing.T) {
					got, err := convertor.ConvertToTable(t.Context(), object, options)
					if err != nil {
						t.Fatal(err)
					}
					want, err := crdTables(t, gv.Version).
						ConvertToTable(t.Context(), asCustomResource(t, scheme, object, gv), options)
					if err != nil {
						t.Fatal(err)
					}
					for i := range got.Rows { // The objects beside the cells are each form's own.
						got.Rows[i].Object, want.Rows[i].Object = runtime.RawExtension{}, runtime.RawExtension{}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("not the table of the CustomResourceDefinition (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

// asCustomResource is the object as the CustomResourceDefinition's storage has it.
func asCustomResource(t *testing.T, scheme *runtime.Scheme, object runtime.Object,
	gv schema.GroupVersion) runtime.Object {
	t.Helper()
	versioned, err := scheme.ConvertToVersion(object, gv)
	if err != nil {
		t.Fatal(err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(versioned)
	if err != nil {
		t.Fatal(err)
	}
	if meta.IsListType(object) && content["items"] == nil {
		content["items"] = []any{} // as a list has it in JSON
	}
	u := &unstructured.Unstructured{Object: content}
	if !u.IsList() {
		return u
	}
	list, err := u.ToList()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTableOfSomethingElse(t *testing.T) {
	_, err := NewV1TableConvertor(runtime.NewScheme()).ConvertToTable(t.Context(), &metav1.PartialObjectMetadata{}, nil)
	if err == nil {
		t.Error("want an error for an object that is no instance")
	}
}
