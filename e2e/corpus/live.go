package corpus

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/e2e/wire"
	contract "github.com/duet-api/duet/shared/api/mysql/corpus"
)

const inYAML = runtime.ContentTypeYAML

// Submit asks a running form about a case, in a namespace of the caller's: it makes what the case needs and the old
// object, sends the request byte for byte, and deletes the object. What the case needs stays, for the next ones. An
// error means that the case could not be asked.
func Submit(
	ctx context.Context, client *wire.Client, namespace string, c contract.Case,
) (_ contract.Verdict, err error) {
	if c.OnlyInProcess != "" {
		return contract.Verdict{}, fmt.Errorf("%q is only for judges in process: %s", c.Name, c.OnlyInProcess)
	}
	for _, need := range c.Needs {
		if err := provide(ctx, client, namespace, need); err != nil {
			return contract.Verdict{}, err
		}
	}
	collection := fmt.Sprintf("/apis/mysql.example.com/%s/namespaces/%s/mysqlinstances", c.Version, namespace)
	method, path, body := http.MethodPost, collection, c.Body
	options := []wire.Option{wire.ContentType(inYAML)}
	if c.FieldValidation != "" {
		options = append(options, wire.Query("fieldValidation", c.FieldValidation))
	}
	if c.Old != nil {
		created, err := client.Send(ctx, http.MethodPost, collection, c.Old, wire.ContentType(inYAML))
		if err != nil {
			return contract.Verdict{}, err
		}
		old, err := created.Object()
		if err != nil {
			return contract.Verdict{}, fmt.Errorf("could not create the old object of %q: %w", c.Name, err)
		}
		defer func() { err = errors.Join(err, remove(ctx, client, collection+"/"+old.GetName())) }()
		if body, err = overWrite(c.Body, old); err != nil {
			return contract.Verdict{}, fmt.Errorf("could not address the update of %q: %w", c.Name, err)
		}
		method, path = http.MethodPut, collection+"/"+old.GetName()
		if c.Subresource != "" {
			path += "/" + c.Subresource
		}
	}
	answer, err := client.Send(ctx, method, path, body, options...)
	if err != nil {
		return contract.Verdict{}, err
	}
	if answer.OK() {
		object, err := answer.Object()
		if err != nil {
			return contract.Verdict{}, err
		}
		if c.Old == nil {
			err = remove(ctx, client, collection+"/"+object.GetName())
		}
		return contract.Verdict{Accepted: true}, err
	}
	status := answer.Status()
	if status == nil {
		return contract.Verdict{}, fmt.Errorf("the answer to %q is no Status: %s", c.Name, answer.Verdict())
	}
	return refused(status), nil
}

// overWrite gives an update the version of the object that it is about.
func overWrite(body []byte, old *unstructured.Unstructured) ([]byte, error) {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(body, &object.Object); err != nil {
		return nil, err
	}
	object.SetResourceVersion(old.GetResourceVersion())
	return yaml.Marshal(object.Object)
}

func provide(ctx context.Context, client *wire.Client, namespace string, need unstructured.Unstructured) error {
	path := map[string]string{
		"Secret":       "/api/v1/namespaces/" + namespace + "/secrets",
		"StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
	}[need.GetKind()]
	if path == "" {
		return fmt.Errorf("could not make %s %s: its kind is not known here", need.GetKind(), need.GetName())
	}
	answer, err := client.Send(ctx, http.MethodPost, path, need.Object)
	if err != nil {
		return err
	}
	if status := answer.Status(); answer.OK() || status != nil && status.Reason == metav1.StatusReasonAlreadyExists {
		return nil
	}
	return fmt.Errorf("could not make %s %s: %s", need.GetKind(), need.GetName(), answer.Verdict())
}

func remove(ctx context.Context, client *wire.Client, path string) error {
	answer, err := client.Send(ctx, http.MethodDelete, path, nil)
	if err != nil {
		return err
	}
	if !answer.OK() && answer.Code != http.StatusNotFound {
		return fmt.Errorf("could not delete %s: %s", path, answer.Verdict())
	}
	return nil
}
