package behaviour

import (
	"context"
	"fmt"
	"math"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

var scaleRows = []Row{{
	ID: "G16", Group: Failures, Title: "What every further kind adds to the documents of the cluster",
	Why: "kubectl and every controller read them when they start, and kube-apiserver keeps and merges them, " +
		"so hundreds of kinds are felt by everybody.",
	Source: "kubernetes#105932, #101755; crossplane#2649, #2895", Flag: Parity,
	Labels: failing, Site: true,
	Expect: Both("20 more kinds of one group: 1 more APIServices; each kind adds 14 KiB to /openapi/v2"),
	Probe:  manyKinds,
}}

// kinds are how many the row adds: enough that what one adds stands out, few enough for a row.
const kinds = 20

func manyKinds(ctx context.Context, s *Subject) (Observation, error) {
	config := s.Site.Config()
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a client: %w", err)
	}
	before, err := s.documents(ctx)
	if err != nil {
		return Observation{}, err
	}
	definitions := client.Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	})
	for i := range kinds {
		definition := further(i)
		s.afterwards(func(ctx context.Context) error {
			return definitions.Delete(ctx, definition.GetName(), metav1.DeleteOptions{})
		})
		if _, err := definitions.Create(ctx, definition, metav1.CreateOptions{}); err != nil {
			return Observation{}, fmt.Errorf("could not create %s: %w", definition.GetName(), err)
		}
	}
	var after map[string]int
	err = eventually(ctx, "every further kind in the OpenAPI document", func(ctx context.Context) (bool, error) {
		after, err = s.documents(ctx)
		return after["kinds"] >= before["kinds"]+kinds, err
	})
	if err != nil {
		return Observation{}, err
	}
	perKind := func(document string) float64 {
		return math.Round(float64(after[document]-before[document]) / kinds / 1024)
	}
	return observed("%d more kinds of one group: %d more APIServices; each kind adds %.0f KiB to /openapi/v2",
		kinds, after["APIServices"]-before["APIServices"], perKind("/openapi/v2"))
}

// furtherGroup of the kinds that the row adds.
const furtherGroup = "row.duet.example.com"

// further is a small kind.
func further(i int) *unstructured.Unstructured {
	plural := fmt.Sprintf("further%03ds", i)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": plural + "." + furtherGroup},
		"spec": map[string]any{
			"group": furtherGroup, "scope": "Namespaced",
			"names": map[string]any{"plural": plural, "kind": fmt.Sprintf("Further%03d", i)},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type": "object", "properties": map[string]any{"spec": map[string]any{
						"type": "object", "properties": map[string]any{"size": map[string]any{"type": "integer"}},
					}},
				}},
			}},
		},
	}}
}

// documents are the sizes of what everybody reads, and how many of the further kinds are in them.
func (s *Subject) documents(ctx context.Context) (map[string]int, error) {
	sizes := map[string]int{}
	answer, err := s.get(ctx, "/openapi/v2")
	if err != nil {
		return nil, err
	}
	if !answer.OK() {
		return nil, fmt.Errorf("could not read /openapi/v2: the server answered %s", answer.Verdict())
	}
	sizes["/openapi/v2"] = len(answer.Body)
	for i := range kinds {
		if strings.Contains(string(answer.Body), fmt.Sprintf(`"kind":"Further%03d"`, i)) {
			sizes["kinds"]++
		}
	}
	services, err := stored(s.get(ctx, "/apis/apiregistration.k8s.io/v1/apiservices"))
	if err != nil {
		return nil, err
	}
	items, _, _ := unstructured.NestedSlice(services.Object, "items")
	sizes["APIServices"] = len(items)
	return sizes, nil
}
