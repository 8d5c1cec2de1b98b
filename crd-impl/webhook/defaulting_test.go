package webhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
)

// admissionReview is a request for an object in the namespace shop. An old object makes it an update.
func admissionReview(object, old string) string {
	operation, oldObject := "CREATE", ""
	if old != "" {
		stored := strings.NewReplacer(`"metadata":{`, `"metadata":{"resourceVersion":"5",`)
		object = stored.Replace(object)
		operation, oldObject = "UPDATE", `,"oldObject":`+stored.Replace(old)
	}
	if object != "" {
		object = `,"object":` + object
	}
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1",`+
		`"operation":%q,"namespace":"shop","name":"orders"%s%s}}`, operation, object, oldObject)
}

// admit sends a review and returns its response, which every well-formed review gets.
func admit(t *testing.T, handler http.Handler, review string) *admissionv1.AdmissionResponse {
	t.Helper()
	code, body := send(t, handler, review)
	if code != http.StatusOK {
		t.Fatalf("HTTP code is %d: %s", code, body)
	}
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.APIVersion != "admission.k8s.io/v1" || answer.Kind != "AdmissionReview" || answer.Request != nil {
		t.Fatalf("the answer is no AdmissionReview with a response only: %s", body)
	}
	if answer.Response == nil || answer.Response.UID != "u1" {
		t.Fatalf("the answer is not to this request: %s", body)
	}
	return answer.Response
}

// flat is a v1alpha1 object as kube-apiserver sends it: with the defaults of the schema. extra is added to its spec.
func flat(extra string) string {
	return `{"apiVersion":"mysql.example.com/v1alpha1","kind":"MySQLInstance","metadata":{"name":"orders","namespace":"shop"},` +
		`"spec":{"engineVersion":"8.4.3","readReplicas":0,"instanceClass":"small","storageGB":20,"sslMode":"PREFERRED",` +
		`"port":3306,"deletionProtection":true,"paused":false` + extra + `}}`
}

func TestDefaulting(t *testing.T) {
	const schedule = `,"backupSchedule":"@daily","backupStorageGB":5`
	tests := map[string]struct {
		object string
		want   string // the object after the patch; empty if no patch is wanted
	}{
		"no object, as in a deletion":        {object: ""},
		"nothing is missing":                 {object: flat("")},
		"a retention is there":               {object: flat(schedule + `,"backupRetentionDays":3`)},
		"a schedule without a retention":     {object: flat(schedule), want: flat(schedule + `,"backupRetentionDays":7`)},
		"a retention whose schedule is gone": {object: flat(`,"backupRetentionDays":7`), want: flat("")},
		"a field that Go does not know":      {object: flat(schedule + `,"new":{"a":[1]}`), want: flat(schedule + `,"new":{"a":[1]},"backupRetentionDays":7`)},
		"a value that Go leaves out":         {object: flat(schedule + `,"publicAccess":false`), want: flat(schedule + `,"publicAccess":false,"backupRetentionDays":7`)},
		"a wrong type is left to the schema": {object: flat(schedule + `,"storageClass":5`)},
		"a spec that is none":                {object: `{"apiVersion":"mysql.example.com/v1alpha1","kind":"MySQLInstance","spec":"x"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			response := admit(t, newDefaultingHandler(newCodec()), admissionReview(test.object, ""))
			if !response.Allowed {
				t.Fatalf("defaulting refused the object: %+v", response.Result)
			}
			if test.want == "" {
				if response.Patch != nil || response.PatchType != nil {
					t.Errorf("patch is %s, want none", response.Patch)
				}
				return
			}
			if response.PatchType == nil || *response.PatchType != admissionv1.PatchTypeJSONPatch {
				t.Fatalf("patch type is %v, want a JSON patch", response.PatchType)
			}
			patch, err := jsonpatch.DecodePatch(response.Patch)
			if err != nil {
				t.Fatal(err)
			}
			got, err := patch.Apply([]byte(test.object))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parsed(t, []byte(test.want)), parsed(t, got)); diff != "" {
				t.Errorf("patched object (-want +got):\n%s", diff)
			}
			again := admit(t, newDefaultingHandler(newCodec()), admissionReview(string(got), ""))
			if again.Patch != nil {
				t.Errorf("defaulting the defaulted object gives %s, want no patch", again.Patch)
			}
		})
	}
}

// kube-apiserver keeps the status of an update to the main endpoint; the webhook keeps the part of it that v1alpha1
// carries in an annotation, so that a user without rights to /status can neither forge nor erase it.
func TestCarriedStatusIsKept(t *testing.T) {
	carrying := func(fields string) string {
		if fields == "" {
			return flat("")
		}
		return strings.Replace(flat(""), `"metadata":{`,
			fmt.Sprintf(`"metadata":{"annotations":{"mysql.example.com/v1-fields":%q},`, fields), 1)
	}
	const stored, forged = `{"status.primary":"orders-0"}`, `{"status.primary":"mine"}`
	for name, test := range map[string]struct{ object, old, want string }{
		"unchanged":             {object: carrying(stored), old: carrying(stored), want: carrying(stored)},
		"forged":                {object: carrying(forged), old: carrying(stored), want: carrying(stored)},
		"erased":                {object: carrying(""), old: carrying(stored), want: carrying(stored)},
		"brought by a new one":  {object: carrying(forged), want: carrying("")},
		"forged where none was": {object: carrying(forged), old: carrying(""), want: carrying("")},
		"other fields may change": {
			object: carrying(`{"spec.service.type":"NodePort","status.primary":"mine"}`), old: carrying(stored),
			want: carrying(`{"spec.service.type":"NodePort","status.primary":"orders-0"}`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			response := admit(t, newDefaultingHandler(newCodec()), admissionReview(test.object, test.old))
			if !response.Allowed {
				t.Fatalf("refused: %+v", response.Result)
			}
			got := []byte(test.object)
			if response.Patch != nil {
				patch, err := jsonpatch.DecodePatch(response.Patch)
				if err != nil {
					t.Fatal(err)
				}
				if got, err = patch.Apply(got); err != nil {
					t.Fatal(err)
				}
			}
			want, have := annotationsOf(t, test.want), annotationsOf(t, string(got))
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
		})
	}
}

func annotationsOf(t *testing.T, object string) map[string]string {
	t.Helper()
	var decoded struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal([]byte(object), &decoded); err != nil {
		t.Fatal(err)
	}
	if len(decoded.Metadata.Annotations) == 0 {
		return nil
	}
	return decoded.Metadata.Annotations
}

// The webhook sets every default there is, so an object that has met no schema gets them as well, parents included.
func TestDefaultingWithoutASchema(t *testing.T) {
	object := `{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","metadata":{"name":"x"},` +
		`"spec":{"version":"8.4.3","storage":{"size":"10Gi"}}}`
	response := admit(t, newDefaultingHandler(newCodec()), admissionReview(object, ""))
	patch, err := jsonpatch.DecodePatch(response.Patch)
	if err != nil {
		t.Fatal(err)
	}
	got, err := patch.Apply([]byte(object))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","metadata":{"name":"x"},"spec":{` +
		`"version":"8.4.3","storage":{"size":"10Gi"},"replicas":1,"resources":{"cpu":"500m","memory":"1Gi"},` +
		`"tls":{"mode":"Preferred"},"service":{"type":"ClusterIP","port":3306},` +
		`"minorUpgradePolicy":"Manual","deletionPolicy":"Retain","powerState":"Running"}}`
	if diff := cmp.Diff(parsed(t, []byte(want)), parsed(t, got)); diff != "" {
		t.Errorf("defaulted object (-want +got):\n%s", diff)
	}
}

func TestDefaultingRefusesOtherKinds(t *testing.T) {
	response := admit(t, newDefaultingHandler(newCodec()), admissionReview(`{"apiVersion":"v1","kind":"Secret"}`, ""))
	if response.Allowed || response.Result.Code != http.StatusBadRequest {
		t.Errorf("the answer about a Secret is %+v, want a refusal with code 400", response)
	}
}

func parsed(t *testing.T, data []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return value
}
