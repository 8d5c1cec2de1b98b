package aggregatedimpl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// document reads a document through kube-apiserver.
func document(ctx context.Context, path string) map[string]any {
	GinkgoHelper()
	raw, err := cluster.Discovery().RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred())
	var parsed map[string]any
	Expect(json.Unmarshal(raw, &parsed)).To(Succeed())
	return parsed
}

// references collects every $ref below a node.
func references(node any, found map[string]bool) {
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			if ref, ok := value.(string); ok && key == "$ref" {
				found[ref] = true
				continue
			}
			references(value, found)
		}
	case []any:
		for _, value := range node {
			references(value, found)
		}
	}
}

// dangling lists references of a document that do not resolve in it.
func dangling(document map[string]any) []string {
	found := map[string]bool{}
	references(document, found)
	var missing []string
	for ref := range found {
		node := any(document)
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			children, _ := node.(map[string]any)
			node = children[strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")]
		}
		if node == nil {
			missing = append(missing, ref)
		}
	}
	return missing
}

var _ = Describe("OpenAPI", func() {
	kinds := func(schema any) string {
		GinkgoHelper()
		extensions, _ := schema.(map[string]any)
		text, err := json.Marshal(extensions["x-kubernetes-group-version-kind"])
		Expect(err).NotTo(HaveOccurred())
		return string(text)
	}
	want := func(version string) string {
		return fmt.Sprintf(`[{"group":"mysql.example.com","kind":"MySQLInstance","version":%q}]`, version)
	}

	It("v2 of the cluster has this API, whole", func(ctx context.Context) {
		var merged map[string]any
		Eventually(func(g Gomega) {
			merged = document(ctx, "/openapi/v2")
			g.Expect(merged["paths"]).To(HaveKey(
				"/apis/mysql.example.com/v1/namespaces/{namespace}/mysqlinstances/{name}/scale"))
		}).Should(Succeed())
		Expect(dangling(merged)).To(BeEmpty())
		definitions := merged["definitions"].(map[string]any)
		for _, version := range []string{"v1", "v1alpha1"} {
			Expect(kinds(definitions["com.example.mysql."+version+".MySQLInstance"])).To(Equal(want(version)))
		}
		Expect(kinds(definitions["io.k8s.api.autoscaling.v1.Scale"])).NotTo(ContainSubstring("__internal"))
		for name := range definitions {
			Expect(name).NotTo(MatchRegexp(`_v\d+$`), "merging renamed a definition: two servers disagree about it")
			Expect(name).NotTo(ContainSubstring("duet"), "a Go path is no name")
		}
	})

	It("v3 of each version is whole", func(ctx context.Context) {
		for _, version := range []string{"v1", "v1alpha1"} {
			var parsed map[string]any
			Eventually(func(g Gomega) {
				parsed = document(ctx, "/openapi/v3/apis/mysql.example.com/"+version)
				g.Expect(parsed["paths"]).NotTo(BeEmpty())
			}).Should(Succeed())
			Expect(dangling(parsed)).To(BeEmpty())
			schemas := parsed["components"].(map[string]any)["schemas"].(map[string]any)
			Expect(kinds(schemas["com.example.mysql."+version+".MySQLInstance"])).To(Equal(want(version)))
		}
	})

	It("lists in discovery what each version has, and what can be done with it", func(ctx context.Context) {
		all := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
		readWrite := []string{"get", "patch", "update"}
		for version, want := range map[string]map[string][]string{
			"v1": {
				"mysqlinstances": all, "mysqlinstances/status": readWrite, "mysqlinstances/scale": readWrite,
				"mysqlinstances/metrics": {"get"}, "mysqlinstances/log": {"get"},
				"mysqlinstances/backup": {"create"}, "mysqlinstances/restart": {"create"},
				"mysqlparameterreviews": {"create"},
			},
			"v1alpha1": {"mysqlinstances": all, "mysqlinstances/status": readWrite},
		} {
			resources, err := cluster.Discovery().ServerResourcesForGroupVersion("mysql.example.com/" + version)
			Expect(err).NotTo(HaveOccurred())
			verbs := map[string][]string{}
			for _, resource := range resources.APIResources {
				verbs[resource.Name] = resource.Verbs
				Expect(resource.Namespaced).To(Equal(resource.Name != "mysqlparameterreviews"), resource.Name)
				switch resource.Name {
				case "mysqlinstances":
					Expect(resource.SingularName).To(Equal("mysqlinstance"))
					Expect(resource.ShortNames).To(ConsistOf("mysql"))
					Expect(resource.Categories).To(ConsistOf("all", "databases"))
				case "mysqlparameterreviews":
					Expect(resource.SingularName).To(Equal("mysqlparameterreview"))
					Expect(resource.Kind).To(Equal("MySQLParameterReview"))
				}
			}
			Expect(verbs).To(Equal(want))
		}
	})

	It("describes the log as text with its options", func(ctx context.Context) {
		paths := document(ctx, "/openapi/v3/apis/mysql.example.com/v1")["paths"].(map[string]any)
		log := paths["/apis/mysql.example.com/v1/namespaces/{namespace}/mysqlinstances/{name}/log"].(map[string]any)
		var parameters []string // of this path only; the document keeps them beside its operations
		for _, parameter := range log["parameters"].([]any) {
			if name, ok := parameter.(map[string]any)["name"].(string); ok {
				parameters = append(parameters, name)
			}
		}
		Expect(parameters).To(ContainElements("server", "follow", "previous", "timestamps", "tailLines"))
		answers := log["get"].(map[string]any)["responses"].(map[string]any)
		Expect(answers["200"].(map[string]any)["content"]).To(HaveKey("text/plain"))
	})
})
