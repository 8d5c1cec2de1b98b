package consistency

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/duet-api/duet/e2e/wire"
)

// answer reads what a server said: an object, a list, a table of objects, or a Status.
func (r Reader) answer(answer *wire.Answer) (Answer, error) {
	read := Answer{Code: answer.Code, Later: answer.Header.Get("Retry-After") != ""}
	if !answer.OK() {
		if status := answer.Status(); status != nil {
			read.Reason = string(status.Reason)
		}
		return read, nil
	}
	object := map[string]any{}
	if err := json.Unmarshal(answer.Body, &object); err != nil {
		return Answer{}, fmt.Errorf("could not read the answer as JSON: %w", err)
	}
	kind, _ := object["kind"].(string)
	items, list := object["items"].([]any)
	switch {
	case kind == "Status":
		read.UID, _, _ = unstructured.NestedString(object, "details", "uid")
		return read, nil
	case kind == "Table":
		rows, _ := object["rows"].([]any)
		for _, row := range rows {
			if row, ok := row.(map[string]any); ok {
				items = append(items, row["object"])
			}
		}
	case !list && !strings.HasSuffix(kind, "List"):
		state, err := r.State(object)
		read.State = &state
		return read, err
	}
	return read, r.list(&read, object, items)
}

// list reads a collection. Its items need not say of which kind they are.
func (r Reader) list(read *Answer, object map[string]any, items []any) error {
	version, _, _ := unstructured.NestedString(object, "metadata", "resourceVersion")
	next, _, _ := unstructured.NestedString(object, "metadata", "continue")
	var err error
	if read.Revision, err = parseRevision(version); err != nil {
		return err
	}
	read.More = next != ""
	kind, _ := object["kind"].(string)
	for _, item := range items {
		fields, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("could not read an item of a %s: it is no object", kind)
		}
		if fields["kind"] == nil {
			fields["apiVersion"], fields["kind"] = object["apiVersion"], strings.TrimSuffix(kind, "List")
		}
		state, err := r.State(fields)
		if err != nil {
			return err
		}
		read.Items = append(read.Items, &state)
	}
	return nil
}
