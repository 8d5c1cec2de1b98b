package wire

import (
	"fmt"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes/scheme"
)

// Answer is what a server said.
type Answer struct {
	Code   int
	Header http.Header
	Body   []byte
}

// OK is whether the server did what it was asked.
func (a *Answer) OK() bool { return a.Code >= 200 && a.Code < 300 }

// NoStatus ends the verdict of a refusal that is not in the API's own words.
const NoStatus = "without a Status object"

// Verdict is the answer in a few words: the code, and for a refusal its reason and the fields that caused it, such as
// "201" or "422 Invalid: spec.replicas". Of many fields it names the first few.
func (a *Answer) Verdict() string {
	if a.OK() {
		return fmt.Sprint(a.Code)
	}
	status := a.Status()
	if status == nil {
		return fmt.Sprintf("%d %s", a.Code, NoStatus)
	}
	verdict := fmt.Sprintf("%d %s", a.Code, status.Reason)
	if status.Reason == metav1.StatusReasonUnknown {
		verdict = fmt.Sprintf("%d without a reason", a.Code)
	}
	fields := a.Fields()
	if len(fields) == 0 {
		return verdict
	}
	verdict += ": " + strings.Join(fields[:min(len(fields), namedFields)], ", ")
	if more := len(fields) - namedFields; more > 0 {
		verdict += fmt.Sprintf(" and %d more", more)
	}
	return verdict
}

// Status is the Status object in the body, in whatever encoding it came, or nil if there is none.
func (a *Answer) Status() *metav1.Status {
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(a.Body, nil, nil)
	if err != nil {
		return nil
	}
	status, _ := object.(*metav1.Status)
	return status
}

// namedFields of a refusal appear in its verdict; of more there is the count.
const namedFields = 6

// noField is what a cause of a custom resource names that is about the whole object.
const noField = "<nil>"

// Fields are the paths of the fields that a refusal names, sorted, each once. Some causes write a path with a dot in
// front; that is the same field.
func (a *Answer) Fields() []string {
	status := a.Status()
	if status == nil || status.Details == nil {
		return nil
	}
	fields := sets.New[string]()
	for _, cause := range status.Details.Causes {
		if cause.Field != "" && cause.Field != noField {
			fields.Insert(strings.TrimPrefix(cause.Field, "."))
		}
	}
	return sets.List(fields)
}

// Warnings are the texts of the Warning headers, in the order they came.
func (a *Answer) Warnings() []string {
	headers, _ := net.ParseWarningHeaders(a.Header["Warning"])
	texts := make([]string, 0, len(headers))
	for _, header := range headers {
		texts = append(texts, header.Text)
	}
	return texts
}

// Object is the object or list in the body of an accepted request. A refusal is an error that says what was refused.
func (a *Answer) Object() (*unstructured.Unstructured, error) {
	if !a.OK() {
		return nil, fmt.Errorf("the server answered %s: %s", a.Verdict(), trim(string(a.Body)))
	}
	object := &unstructured.Unstructured{}
	// This package's Unmarshal keeps whole numbers whole, as everything that reads unstructured objects expects.
	if err := json.Unmarshal(a.Body, &object.Object); err != nil {
		return nil, fmt.Errorf("could not read the answer as an object: %w", err)
	}
	return object, nil
}
