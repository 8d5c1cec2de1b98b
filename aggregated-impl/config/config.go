// Package config holds the aggregated form's manifests. They are plain YAML so that they can be read, and applied, on
// their own: each access rule says there what it is for.
package config

import (
	"bytes"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

//go:embed *.yaml
var files embed.FS

// AuditPolicy is what the server logs of requests.
//
//go:embed audit-policy.yaml
var AuditPolicy []byte

// Names in the manifests that others have to know.
const (
	// ServiceAccount the server runs as.
	ServiceAccount = "duet-apiserver"
	// Service in front of the server.
	Service = "duet-apiserver"
)

// Prerequisites are the service account, the access rules and the Service.
func Prerequisites() ([]*unstructured.Unstructured, error) {
	rbac, err := decode("rbac.yaml")
	if err != nil {
		return nil, err
	}
	service, err := decode("service.yaml")
	if err != nil {
		return nil, err
	}
	return append(rbac, service...), nil
}

// APIServices are the registrations of both versions, for a server on a port whose certificate the bundle (PEM)
// verifies.
func APIServices(port int, caBundle []byte) ([]*unstructured.Unstructured, error) {
	objects, err := decode("apiservices.yaml")
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if err := errors.Join(
			unstructured.SetNestedField(object.Object, int64(port), "spec", "service", "port"),
			unstructured.SetNestedField(object.Object, base64.StdEncoding.EncodeToString(caBundle), "spec", "caBundle"),
		); err != nil {
			return nil, fmt.Errorf("could not fill in %s: %w", object.GetName(), err)
		}
	}
	return objects, nil
}

func decode(name string) ([]*unstructured.Unstructured, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("could not read manifest %s: %w", name, err)
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("could not decode manifest %s: %w", name, err)
		}
		objects = append(objects, object)
	}
}
