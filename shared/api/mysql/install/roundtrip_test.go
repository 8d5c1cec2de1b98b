package install

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/apitesting/roundtrip"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/fuzzer"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const (
	objects = 10_000
	seed    = 20
)

// TestEncodings sends hub objects through JSON, YAML and back, in every version.
func TestEncodings(t *testing.T) {
	scheme := runtime.NewScheme()
	Install(scheme)
	roundtrip.RoundTripTypesWithoutProtobuf(t, scheme, serializer.NewCodecFactory(scheme),
		fuzzer.NewDefaulted(seed, scheme), nil)
}

// TestProtobuf does the same through protobuf, which v1 has.
func TestProtobuf(t *testing.T) {
	scheme := runtime.NewScheme()
	utilruntime.Must(mysql.AddToScheme(scheme))
	utilruntime.Must(v1.AddToScheme(scheme))
	roundtrip.RoundTripTypes(t, scheme, serializer.NewCodecFactory(scheme), fuzzer.NewDefaulted(seed, scheme), nil)
}

func TestHubAndV1(t *testing.T) {
	scheme := runtime.NewScheme()
	Install(scheme)
	fill := fuzzer.New(seed, scheme)
	for i := range objects {
		hub, stored := &mysql.MySQLInstance{}, &v1.MySQLInstance{}
		if i > 0 { // the first ones are empty
			fill.Fill(hub)
			fill.Fill(stored)
		}
		hub.TypeMeta, stored.TypeMeta = metav1.TypeMeta{}, metav1.TypeMeta{}

		toV1, hubAgain := &v1.MySQLInstance{}, &mysql.MySQLInstance{}
		utilruntime.Must(v1.Convert_mysql_MySQLInstance_To_v1_MySQLInstance(hub, toV1, nil))
		utilruntime.Must(v1.Convert_v1_MySQLInstance_To_mysql_MySQLInstance(toV1, hubAgain, nil))
		if !apiequality.Semantic.DeepEqual(hub, hubAgain) {
			t.Fatalf("object %d (-want +got):\n%s", i, cmp.Diff(hub, hubAgain))
		}

		toHub, storedAgain := &mysql.MySQLInstance{}, &v1.MySQLInstance{}
		utilruntime.Must(v1.Convert_v1_MySQLInstance_To_mysql_MySQLInstance(stored, toHub, nil))
		utilruntime.Must(v1.Convert_mysql_MySQLInstance_To_v1_MySQLInstance(toHub, storedAgain, nil))
		if !apiequality.Semantic.DeepEqual(stored, storedAgain) {
			t.Fatalf("object %d (-want +got):\n%s", i, cmp.Diff(stored, storedAgain))
		}
	}
}

// TestHubAndV1HaveOneLayout keeps the conversion between the two a pointer cast: whoever adds a field to one of them
// only is told here, and not by a benchmark.
func TestHubAndV1HaveOneLayout(t *testing.T) {
	sameLayout(t, "MySQLInstance", reflect.TypeFor[mysql.MySQLInstance](), reflect.TypeFor[v1.MySQLInstance]())

	hub := &mysql.MySQLInstance{Spec: mysql.MySQLInstanceSpec{Parameters: []mysql.Parameter{{Name: "a"}}}}
	stored := &v1.MySQLInstance{}
	utilruntime.Must(v1.Convert_mysql_MySQLInstance_To_v1_MySQLInstance(hub, stored, nil))
	if reflect.ValueOf(hub.Spec.Parameters).Pointer() != reflect.ValueOf(stored.Spec.Parameters).Pointer() {
		t.Error("conversion between the hub and v1 copies")
	}
}

func sameLayout(t *testing.T, path string, a, b reflect.Type) {
	t.Helper()
	if a == b {
		return
	}
	if a.Kind() != b.Kind() || a.Size() != b.Size() {
		t.Errorf("%s: %s is not %s", path, a, b)
		return
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		sameLayout(t, path, a.Elem(), b.Elem())
	case reflect.Map:
		sameLayout(t, path+" key", a.Key(), b.Key())
		sameLayout(t, path, a.Elem(), b.Elem())
	case reflect.Struct:
		if a.NumField() != b.NumField() {
			t.Errorf("%s: %d fields, and %d in v1", path, a.NumField(), b.NumField())
			return
		}
		for i := range a.NumField() {
			if a.Field(i).Name != b.Field(i).Name {
				t.Errorf("%s: field %d is %s, and %s in v1", path, i, a.Field(i).Name, b.Field(i).Name)
			}
			sameLayout(t, path+"."+a.Field(i).Name, a.Field(i).Type, b.Field(i).Type)
		}
	}
}
