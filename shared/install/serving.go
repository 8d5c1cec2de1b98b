package install

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/openapi"
	"k8s.io/client-go/rest"
)

// Serves checks that the group answers in each version, as its users will ask: a LIST, discovery and the schema.
// Conditions such as Established and Available come earlier than these do, and promise less.
func Serves(ctx context.Context, config *rest.Config, versions ...string) error {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	for _, version := range versions {
		resource := Resource.GroupResource().WithVersion(version)
		if _, err := objects.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
			return fmt.Errorf("a LIST of %s in %s failed: %w", Resource.Resource, version, err)
		}
	}

	discover, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	_, found, _, err := discover.GroupsAndMaybeResources()
	if err != nil {
		return fmt.Errorf("could not read discovery: %w", err)
	}
	schemas, err := documents(discover)
	if err != nil {
		return err
	}
	for _, version := range versions {
		groupVersion := Resource.GroupResource().WithVersion(version).GroupVersion()
		if found[groupVersion] == nil {
			return fmt.Errorf("%s is not yet in discovery", groupVersion)
		}
		if schemas[documentOf(version)] == nil {
			return fmt.Errorf("%s is not yet in OpenAPI", groupVersion)
		}
	}
	return nil
}

// documents are those of OpenAPI v3, by where the index has them.
func documents(discover discovery.OpenAPIV3SchemaInterface) (map[string]openapi.GroupVersion, error) {
	index, err := discover.OpenAPIV3().Paths()
	if err != nil {
		return nil, fmt.Errorf("could not read the OpenAPI index: %w", err)
	}
	return index, nil
}

// documentOf is where the OpenAPI v3 index has the document of a version.
func documentOf(version string) string { return "apis/" + Group + "/" + version }

// undocumented checks that there is no OpenAPI v3 document of any of these versions.
func undocumented(config *rest.Config, versions ...string) error {
	discover, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	schemas, err := documents(discover)
	if err != nil {
		return err
	}
	for _, version := range versions {
		if schemas[documentOf(version)] != nil {
			return fmt.Errorf("%s is still in OpenAPI", documentOf(version))
		}
	}
	return nil
}

// Enforces checks that the rules which only Go can say are enforced in a version: a dry run of an object that breaks one
// has to be refused. kube-apiserver takes a moment to see a new webhook configuration, and a webhook server to listen.
func Enforces(ctx context.Context, config *rest.Config, version string) error {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	const notCron = "not a cron schedule"
	spec := map[string]any{
		"version": "8.4.3", "storage": map[string]any{"size": "1Gi"},
		"backup": map[string]any{"schedule": notCron, "storage": map[string]any{"size": "1Gi"}},
	}
	if version != Resource.Version {
		spec = map[string]any{
			"engineVersion": "8.4.3", "storageGB": int64(1), "backupSchedule": notCron, "backupStorageGB": int64(1),
		}
	}
	resource := Resource.GroupResource().WithVersion(version)
	_, err = objects.Resource(resource).Namespace(Namespace).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": resource.GroupVersion().String(), "kind": "MySQLInstance",
		"metadata": map[string]any{"name": "duet-canary"}, "spec": spec,
	}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case apierrors.IsInvalid(err) && strings.Contains(err.Error(), notCron):
		return nil
	case apierrors.IsInvalid(err):
		return fmt.Errorf("a backup schedule of %q is refused in %s, and not for what it is: %w", notCron, version, err)
	case err == nil:
		return fmt.Errorf("a backup schedule of %q is accepted in %s", notCron, version)
	default:
		return fmt.Errorf("could not try the rules of %s: %w", version, err)
	}
}
