package mutation

import (
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// object is what a server that accepts anything says it has stored.
const object = `{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","metadata":{"name":"db","uid":"0"},"spec":{}}`

// All mutations, in the order of the groups of their rows.
var All = []Mutation{
	{Fault: "a dry run is stored", Row: "A21", Request: without("dryRun")},
	{Fault: "names are not validated", Row: "A31", Answer: instead(422, 201, object)},
	{Fault: "a PUT does not check resourceVersion", Row: "A46", Answer: instead(409, 200, object)},
	{Fault: "apply takes fields from other owners", Row: "A6", Request: forced},
	{Fault: "a wrong type is the server's error", Row: "A23", Answer: refused(500, "{}")},
	{Fault: "a wrong type is accepted", Row: "A23", Answer: refused(201, object)},
	{Fault: "unknown fields are kept", Row: "A26", Answer: saying(put("x", "spec", "bogus"))},
	{Fault: "a watch leaves out changes", Row: "A12", Answer: silent(
		func(kind string, _ map[string]any) bool { return kind == "MODIFIED" })},
	{Fault: "the initial events of a watch have no end", Row: "A14", Answer: silent(
		func(kind string, object map[string]any) bool {
			_, marked, _ := unstructured.NestedString(object, "metadata", "annotations", "k8s.io/initial-events-end")
			return kind == "BOOKMARK" && marked
		})},
	{Fault: "a LIST is not cut into chunks", Row: "A15", Request: without("limit")},
	{Fault: "field selectors are ignored", Row: "A33", Request: without("fieldSelector")},
	{Fault: "a table has no columns", Row: "A11", Answer: saying(put([]any{}, "columnDefinitions"))},

	{Fault: "rules on changes are not enforced", Row: "B9", Answer: instead(422, 200, object)},
	{Fault: "nothing is defaulted", Row: "B7", Answer: saying(remove("spec", "service"))},

	{Fault: "no deprecation warning", Row: "A40", Answer: func(_ *http.Request, response *http.Response) error {
		response.Header.Del("Warning")
		return nil
	}},
	{Fault: "conversion loses a field", Row: "C1", Answer: func(request *http.Request, response *http.Response) error {
		if !strings.Contains(request.URL.Path, "/v1alpha1/") {
			return nil
		}
		return saying(remove("spec", "readReplicas"))(request, response)
	}},

	{Fault: "status can be written through the object", Row: "D1", Request: throughStatus},
	{Fault: "the generation stays", Row: "D3", Answer: saying(put(int64(1), "metadata", "generation"))},
	{Fault: "scale does not say how many there should be", Row: "D4", Answer: saying(put(int64(0), "spec", "replicas"))},

	{Fault: "finalizers are ignored", Row: "E8", Request: reading(http.MethodPost, remove("metadata", "finalizers"))},

	{Fault: "rights are not checked", Row: "F17", Answer: instead(403, 200, object)},
	{Fault: "a right to read is a right to everything", Row: "F18", Answer: instead(403, 200, object)},

	{Fault: "an outage is hidden", Row: "G1", Answer: refused(200, object)},

	{Fault: "the OpenAPI document refers to what it does not define", Row: "I10", Everything: true, Answer: dangling},
	{Fault: "the table for kubectl get has no columns", Row: "I5", Answer: saying(put([]any{}, "columnDefinitions"))},
}

// forced asks for every apply as if the user had insisted.
func forced(request *http.Request) error {
	if request.Method == http.MethodPatch && strings.HasPrefix(request.Header.Get("Content-Type"), "application/apply-patch") {
		query := request.URL.Query()
		query.Set("force", "true")
		request.URL.RawQuery = query.Encode()
	}
	return nil
}

// throughStatus takes a patch of the object for one of its status.
func throughStatus(request *http.Request) error {
	if request.Method == http.MethodPatch && !strings.HasSuffix(request.URL.Path, "/status") {
		request.URL.Path += "/status"
	}
	return nil
}

// dangling takes a definition out of the OpenAPI document that others refer to.
func dangling(request *http.Request, response *http.Response) error {
	if !strings.HasPrefix(request.URL.Path, "/openapi/v2") {
		return nil
	}
	return saying(remove("definitions", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"))(request, response)
}

func put(value any, path ...string) func(map[string]any) {
	return func(object map[string]any) { _ = unstructured.SetNestedField(object, value, path...) }
}

func remove(path ...string) func(map[string]any) {
	return func(object map[string]any) { unstructured.RemoveNestedField(object, path...) }
}
