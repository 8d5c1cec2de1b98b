package crdimpl

import (
	"encoding/base64"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/duet-api/duet/crd-impl/config"
)

// The versions of the API. The storage version is the same in every profile, so a change of profile never leaves
// behind an object that the next one cannot read.
const (
	storageVersion    = "v1"
	deprecatedVersion = "v1alpha1"
)

// endpoint is a webhook server outside the cluster, as kube-apiserver finds it.
type endpoint struct {
	// address is host:port.
	address string
	// caBundle verifies the server's certificate, in PEM.
	caBundle []byte
}

func (e endpoint) url(path string) string { return "https://" + e.address + path }

func (e endpoint) client(path string) apiextensionsv1.WebhookClientConfig {
	url := e.url(path)
	return apiextensionsv1.WebhookClientConfig{URL: &url, CABundle: e.caBundle}
}

// convertingCRD serves both versions, and has the webhook server convert between them.
func convertingCRD(client apiextensionsv1.WebhookClientConfig) (*unstructured.Unstructured, error) {
	crd, err := config.CRD()
	if err != nil {
		return nil, err
	}
	crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
		Strategy: apiextensionsv1.WebhookConverter,
		Webhook: &apiextensionsv1.WebhookConversion{
			ClientConfig:             &client,
			ConversionReviewVersions: []string{"v1"},
		},
	}
	return applicable(crd)
}

// schemaOnlyCRD has the storage version and no other: without a webhook nobody could convert.
func schemaOnlyCRD() (*unstructured.Unstructured, error) {
	crd, err := config.CRD()
	if err != nil {
		return nil, err
	}
	crd.Spec.Versions = slices.DeleteFunc(crd.Spec.Versions, func(version apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return version.Name != storageVersion
	})
	crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter}
	return applicable(crd)
}

// parkedCRD keeps the versions, whose storage holds the instances, and serves none of them. It does not convert either:
// the webhook server is gone, and deleting the definition later must not wait for it.
func parkedCRD(crd *unstructured.Unstructured) *unstructured.Unstructured {
	parked := crd.DeepCopy()
	spec := parked.Object["spec"].(map[string]any)
	for _, version := range spec["versions"].([]any) {
		version.(map[string]any)["served"] = false
	}
	spec["conversion"] = map[string]any{"strategy": string(apiextensionsv1.NoneConverter)}
	return parked
}

// applicable is the definition as it is applied: without a status, which is kube-apiserver's to write.
func applicable(crd *apiextensionsv1.CustomResourceDefinition) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		return nil, fmt.Errorf("could not encode the CustomResourceDefinition: %w", err)
	}
	delete(content, "status")
	return &unstructured.Unstructured{Object: content}, nil
}

// webhookConfigurations are those of config, with the server at an endpoint instead of behind a Service.
func webhookConfigurations(at endpoint) ([]*unstructured.Unstructured, error) {
	configurations, err := config.Webhooks()
	if err != nil {
		return nil, err
	}
	for _, configuration := range configurations {
		webhooks, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
		if err != nil {
			return nil, err
		}
		for _, hook := range webhooks {
			hook := hook.(map[string]any)
			path, found, err := unstructured.NestedString(hook, "clientConfig", "service", "path")
			if err != nil || !found {
				return nil, fmt.Errorf("webhook %s of %s names no path: %w", hook["name"], configuration.GetName(), err)
			}
			hook["clientConfig"] = map[string]any{
				"url":      at.url(path),
				"caBundle": base64.StdEncoding.EncodeToString(at.caBundle),
			}
		}
		if err := unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks"); err != nil {
			return nil, err
		}
	}
	return configurations, nil
}
