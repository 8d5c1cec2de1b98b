package behaviour

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

var discoveryRows = []Row{
	{
		ID: "A38", Group: Machinery, Title: "Short names, categories, singular",
		Why:    "People type `kubectl get mysql` and `kubectl get all`, not plurals.",
		Source: "custom-resource-definitions, Categories; an aggregated API implements an interface for each",
		Flag:   Parity,
		Expect: Both("singular mysqlinstance, short mysql, categories all, databases"),
		Probe:  names,
	},
	{
		ID: "A39", Group: Machinery, Title: "Preferred version",
		Why:    "kubectl shows and edits an object in the preferred version.",
		Source: "kubernetes pkg/controlplane/controller/crdregistration; free in an APIService", Flag: Parity,
		Needs:  []install.Capability{install.MultipleVersions},
		Expect: Both("v1 of v1, v1alpha1"),
		Probe:  preferredVersion,
	},
	{
		ID: "I9", Group: Clients, Title: "Verbs and subresources in discovery",
		Why:    "Generic clients, such as backup tools and the garbage collector, do only what discovery offers.",
		Source: "apiserver pkg/endpoints/installer.go: exactly what the storage implements", Flag: Documented,
		Expect: Expectation{
			CRD: "mysqlinstances create delete deletecollection get list patch update watch; " +
				"mysqlinstances/scale get patch update; mysqlinstances/status get patch update",
			Aggregated: "mysqlinstances create delete deletecollection get list patch update watch; " +
				"mysqlinstances/backup create; mysqlinstances/log get; mysqlinstances/metrics get; mysqlinstances/restart create; " +
				"mysqlinstances/scale get patch update; mysqlinstances/status get patch update; mysqlparameterreviews create",
		},
		Probe: verbs,
	},
	{
		ID: "C6", Group: Versioning, Title: "storageVersionHash",
		Why:    "Storage migrators see from it that the storage version has changed.",
		Source: "apiserver feature StorageVersionHash", Flag: Parity,
		Needs:  []install.Capability{install.MultipleVersions},
		Expect: Both("v1 has one, v1alpha1 has the same one"),
		Probe:  storageVersionHash,
	},
	{
		ID: "A49", Group: Machinery, Title: "Aggregated discovery",
		Why:    "kubectl reads the whole cluster's discovery in one request and marks a group whose server did not answer.",
		Source: "KEP-3352; kube-aggregator handler_discovery.go", Flag: Parity,
		Expect: Both("group listed, v1 Current, MySQLInstance Namespaced"),
		Probe:  aggregatedDiscovery,
	},
}

func (s *Subject) resources(ctx context.Context, version string) ([]metav1.APIResource, error) {
	answer, err := s.get(ctx, "/apis/"+fixture.Group+"/"+version)
	if err != nil {
		return nil, err
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(answer.Body, &list); err != nil || !answer.OK() {
		return nil, fmt.Errorf("could not read the resources of %s: the server answered %s", version, answer.Verdict())
	}
	slices.SortFunc(list.APIResources, func(a, b metav1.APIResource) int { return strings.Compare(a.Name, b.Name) })
	return list.APIResources, nil
}

func names(ctx context.Context, s *Subject) (Observation, error) {
	resources, err := s.resources(ctx, fixture.V1)
	if err != nil {
		return Observation{}, err
	}
	for _, resource := range resources {
		if resource.Name == fixture.Resource {
			return observed("singular %s, short %s, categories %s", resource.SingularName,
				strings.Join(resource.ShortNames, ", "), strings.Join(resource.Categories, ", "))
		}
	}
	return observed("%s is not listed", fixture.Resource)
}

func preferredVersion(ctx context.Context, s *Subject) (Observation, error) {
	answer, err := s.get(ctx, "/apis/"+fixture.Group)
	if err != nil {
		return Observation{}, err
	}
	var group metav1.APIGroup
	if err := json.Unmarshal(answer.Body, &group); err != nil || !answer.OK() {
		return Observation{}, fmt.Errorf("could not read the group: the server answered %s", answer.Verdict())
	}
	versions := make([]string, 0, len(group.Versions))
	for _, version := range group.Versions {
		versions = append(versions, version.Version)
	}
	return observed("%s of %s", group.PreferredVersion.Version, strings.Join(versions, ", "))
}

func verbs(ctx context.Context, s *Subject) (Observation, error) {
	resources, err := s.resources(ctx, fixture.V1)
	if err != nil {
		return Observation{}, err
	}
	lines := make([]string, 0, len(resources))
	for _, resource := range resources {
		slices.Sort(resource.Verbs)
		lines = append(lines, resource.Name+" "+strings.Join(resource.Verbs, " "))
	}
	return observed("%s", strings.Join(lines, "; "))
}

func storageVersionHash(ctx context.Context, s *Subject) (Observation, error) {
	hashes := map[string]string{}
	for _, version := range []string{fixture.V1, fixture.V1alpha1} {
		resources, err := s.resources(ctx, version)
		if err != nil {
			return Observation{}, err
		}
		for _, resource := range resources {
			if resource.Name == fixture.Resource {
				hashes[version] = resource.StorageVersionHash
			}
		}
	}
	one, other := hashes[fixture.V1], hashes[fixture.V1alpha1]
	return observed("v1 has %s, v1alpha1 has %s", choose(one != "", "one", "none"),
		choose(other == one, "the same one", choose(other == "", "none", "another")))
}

func aggregatedDiscovery(ctx context.Context, s *Subject) (Observation, error) {
	answer, err := s.get(ctx, "/apis", wire.Accept("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"))
	if err != nil {
		return Observation{}, err
	}
	var list apidiscovery.APIGroupDiscoveryList
	if err := json.Unmarshal(answer.Body, &list); err != nil || !answer.OK() {
		return Observation{}, fmt.Errorf("could not read discovery: the server answered %s", answer.Verdict())
	}
	for _, group := range list.Items {
		if group.Name != fixture.Group {
			continue
		}
		for _, version := range group.Versions {
			for _, resource := range version.Resources {
				if version.Version == fixture.V1 && resource.Resource == fixture.Resource {
					return observed("group listed, %s %s, %s %s", version.Version, version.Freshness,
						resource.ResponseKind.Kind, resource.Scope)
				}
			}
		}
		return observed("group listed without %s", fixture.Resource)
	}
	return observed("group not listed")
}
