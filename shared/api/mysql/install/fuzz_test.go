package install

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
	"github.com/duet-api/duet/shared/api/mysql/validation"
)

// FuzzRequest takes any bytes for a request's body, as JSON, YAML or protobuf: decoding may refuse them, and nothing
// may panic. Run it with: go test -fuzz FuzzRequest ./shared/api/mysql/install
func FuzzRequest(f *testing.F) {
	scheme := runtime.NewScheme()
	Install(scheme)
	codecs := serializer.NewCodecFactory(scheme)
	hub := codecs.UniversalDecoder(mysql.SchemeGroupVersion)
	binary := protobuf.NewSerializer(scheme, scheme)

	for _, seed := range []string{
		`{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","metadata":{"name":"a"},"spec":{"version":"8.4.5",` +
			`"storage":{"size":"10Gi"},"parameters":[{"name":"innodb_buffer_pool_size","value":"128M"}]}}`,
		`{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","spec":{"backup":{"schedule":"TZ=0"},` +
			`"maintenanceWindow":{"day":"Sunday","startTime":"23:59","durationMinutes":1440}}}`,
		`{"apiVersion":"mysql.example.com/v1alpha1","kind":"MySQLInstance","metadata":{"annotations":{` +
			`"mysql.example.com/v1-fields":"{\"spec.storage.size\":\"1536Mi\"}"}},"spec":{"engineVersion":"9.0.0",` +
			`"storageGB":2,"maintenanceWindow":"Sat:23:30-Sun:00:30","config":{"sql_mode":"ANSI"}}}`,
		"apiVersion: mysql.example.com/v1alpha1\nkind: MySQLInstance\nspec:\n  storageGB: -2147483648\n  readReplicas: 2147483647\n",
		`{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstanceList","items":[{}]}`,
		"k8s\x00\n\x00",
	} {
		f.Add([]byte(seed))
	}
	example := &v1.MySQLInstance{Spec: v1.MySQLInstanceSpec{Version: "8.4.5"}}
	example.SetGroupVersionKind(v1.SchemeGroupVersion.WithKind("MySQLInstance"))
	body, err := runtime.Encode(binary, example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)

	f.Fuzz(func(t *testing.T, body []byte) {
		for _, decoder := range []runtime.Decoder{hub, codecs.UniversalDecoder(v1.SchemeGroupVersion), binary} {
			decoded, _, err := decoder.Decode(body, nil, nil)
			if err != nil {
				continue
			}
			internal, err := scheme.ConvertToVersion(decoded, mysql.SchemeGroupVersion)
			if err != nil {
				continue // another group's kind
			}
			for _, version := range scheme.PrioritizedVersionsForGroup(mysql.GroupName) {
				if _, err := scheme.ConvertToVersion(internal, version); err != nil {
					t.Fatalf("conversion to %s is not total: %v", version, err)
				}
			}
			if obj, ok := internal.(*mysql.MySQLInstance); ok {
				errs := validation.ValidateMySQLInstance(obj)
				errs = append(errs, validation.ValidateMySQLInstanceUpdate(obj, obj)...)
				errs = append(errs, validation.ValidateMySQLInstanceStatusUpdate(obj, obj)...)
				for _, err := range validation.InVersion(errs, v1alpha1.SchemeGroupVersion.Version) {
					if err.Error() == "" {
						t.Fatal("an error without words")
					}
				}
				validation.Warnings(obj, nil)
			}
		}
	})
}
