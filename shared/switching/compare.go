package switching

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/install"
)

// pageSize of the lists that are compared.
const pageSize = 500

// list reads all objects of the storage version as they were at one moment, by namespace and name. At says which moment;
// empty is now. It returns the moment as well.
func list(ctx context.Context, config *rest.Config, at string) (map[string]*unstructured.Unstructured, string, error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, "", err
	}
	return listAll(ctx, objects.Resource(install.Resource), at)
}

// listAll does so with the access that there is.
func listAll(ctx context.Context, objects dynamic.ResourceInterface, at string) (map[string]*unstructured.Unstructured, string, error) {
	found := map[string]*unstructured.Unstructured{}
	options := metav1.ListOptions{Limit: pageSize}
	if at != "" {
		options.ResourceVersion, options.ResourceVersionMatch = at, metav1.ResourceVersionMatchExact
	}
	for {
		page, err := objects.List(ctx, options)
		if err != nil {
			return nil, "", fmt.Errorf("could not list all objects: %w", err)
		}
		for _, item := range page.Items {
			found[item.GetNamespace()+"/"+item.GetName()] = &item
		}
		if at == "" {
			at = page.GetResourceVersion()
		}
		if page.GetContinue() == "" {
			return found, at, nil
		}
		options = metav1.ListOptions{Limit: pageSize, Continue: page.GetContinue()}
	}
}

// differences are what a second list does not have as the first has it. Values that mean the same do not count.
func differences(first, second map[string]*unstructured.Unstructured) []string {
	var found []string
	for _, key := range sortedKeys(first) {
		other, ok := second[key]
		if !ok {
			found = append(found, key+" is not there")
			continue
		}
		for _, path := range lost(first[key].Object, other.Object, "") {
			found = append(found, key+" differs in "+path)
		}
	}
	for _, key := range sortedKeys(second) {
		if _, ok := first[key]; !ok {
			found = append(found, key+" is one too many")
		}
	}
	return found
}

func sortedKeys(of map[string]*unstructured.Unstructured) []string {
	var keys []string
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// lost are the paths of what is in a value and not, or not alike, in another. What the other has more is not lost: it is a
// default. Nothing at all and an empty value are the same.
func lost(from, in any, path string) []string {
	switch from := from.(type) {
	case map[string]any:
		other, _ := in.(map[string]any)
		var paths []string
		for key, value := range from {
			paths = append(paths, lost(value, other[key], path+"."+key)...)
		}
		slices.Sort(paths)
		return paths
	case []any:
		other, _ := in.([]any)
		if len(other) != len(from) {
			return []string{path}
		}
		var paths []string
		for i, value := range from {
			paths = append(paths, lost(value, other[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
		return paths
	case nil:
		return nil
	}
	if sameValue(from, in) || in == nil && empty(from) {
		return nil
	}
	return []string{path}
}

func empty(value any) bool {
	return value == "" || value == false || value == int64(0) || value == float64(0)
}

// sameValue says whether two leaves mean the same: typed servers write quantities in one way, and whole numbers as such.
func sameValue(a, b any) bool {
	if a == b {
		return true
	}
	if textA, ok := a.(string); ok {
		textB, ok := b.(string)
		if !ok {
			return false
		}
		quantityA, errA := resource.ParseQuantity(textA)
		quantityB, errB := resource.ParseQuantity(textB)
		return errA == nil && errB == nil && quantityA.Cmp(quantityB) == 0
	}
	numberA, errA := json.Marshal(a)
	numberB, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(numberA) == string(numberB)
}
