// Package config holds the crd form's Kubernetes objects as they are in a cluster: the CustomResourceDefinition, which
// is generated from shared/api, the webhook server's rights, and the configurations that make kube-apiserver call it.
// They are files and not Go, because the people who review them read YAML, with its reasons beside each rule.
package config

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

//go:embed crd/mysql.example.com_mysqlinstances.yaml rbac.yaml webhooks.yaml
var files embed.FS

// CRD is the CustomResourceDefinition as it is generated: both versions, and no conversion yet.
func CRD() (*apiextensionsv1.CustomResourceDefinition, error) {
	const name = "crd/mysql.example.com_mysqlinstances.yaml"
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(data, crd); err != nil {
		return nil, fmt.Errorf("could not parse %s: %w", name, err)
	}
	return crd, nil
}

// RBAC is the ServiceAccount of the webhook server and its rights.
func RBAC() ([]*unstructured.Unstructured, error) { return parse("rbac.yaml") }

// Webhooks are the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration, which call the server through
// its Service.
func Webhooks() ([]*unstructured.Unstructured, error) { return parse("webhooks.yaml") }

func parse(name string) ([]*unstructured.Unstructured, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), len(data))
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("could not parse %s: %w", name, err)
		}
		objects = append(objects, object)
	}
}
