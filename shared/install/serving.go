package install

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
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
	schemas, err := discover.OpenAPIV3().Paths()
	if err != nil {
		return fmt.Errorf("could not read the OpenAPI index: %w", err)
	}
	for _, version := range versions {
		groupVersion := Resource.GroupResource().WithVersion(version).GroupVersion()
		if found[groupVersion] == nil {
			return fmt.Errorf("%s is not yet in discovery", groupVersion)
		}
		if schemas["apis/"+groupVersion.String()] == nil {
			return fmt.Errorf("%s is not yet in OpenAPI", groupVersion)
		}
	}
	return nil
}
