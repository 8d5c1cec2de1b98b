package behaviour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/kubectl/pkg/cmd/patch"
	explain "k8s.io/kubectl/pkg/explain/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/e2e/fixture"
	mysqlv1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/client/clientset/versioned"
)

var clientRows = []Row{
	{
		ID: "I1", Group: Clients, Title: "kubectl explain",
		Why:    "It is where people look up what a field means.",
		Source: "kube-aggregator pkg/controllers/openapiv3", Flag: Parity,
		Expect: Both("spec lists 13 fields, replicas <integer>: " +
			"replicas is the number of servers. Ordinal 0 is the writable primary, the others follow it."),
		Probe: explainFields,
	},
	{
		ID: "I2", Group: Clients, Title: "Typed, dynamic, metadata and controller-runtime clients",
		Why:    "A program that uses one of them should not have to know which form serves it.",
		Source: "custom-resources, Common features", Flag: Parity,
		Expect: Both("typed created 8.4.3, dynamic read 8.4.3, metadata read db, controller-runtime changed replicas to 3"),
		Probe:  fourClients,
	},
	{
		ID: "I10", Group: Clients, Title: "The cluster's OpenAPI documents are whole",
		Why:    "One reference to nowhere breaks `kubectl apply` and `kubectl explain` for every kind in the cluster.",
		Source: "kueue test/e2e aggregated_openapi_test.go", Flag: Parity,
		Expect: Both("v2: 0 dangling references, describes MySQLInstance; " +
			"v3: 0 dangling references, describes MySQLInstance"),
		Probe: wholeOpenAPI,
	},
	{
		ID: "A3", Group: Clients, Title: "kubectl apply on the client's side, with a list that two write",
		Why: "Whether it keeps what somebody else put into the list depends on the patch that it chooses, " +
			"and nobody chooses it by hand.",
		Source: "kubectl pkg/cmd/apply/patcher.go: strategic if the OpenAPI document of the kind offers it",
		Flag:   Undocumented,
		Expect: Expectation{
			CRD:        "application/merge-patch+json, parameters: max_connections",
			Aggregated: "application/strategic-merge-patch+json, parameters: max_connections, sort_buffer_size",
		},
		Probe: kubectlApply,
	},
	{
		ID: "A4", Group: Clients, Title: "kubectl patch without --type",
		Why:    "The command that every tutorial shows works on one form and fails on the other.",
		Source: "kubernetes#97423", Flag: Undocumented,
		Expect: Expectation{
			CRD: "failed: application/strategic-merge-patch+json is not supported by " +
				"mysql.example.com/v1, Kind=MySQLInstance",
			Aggregated: "patched, replicas 3",
		},
		Probe: kubectlPatch,
	},
}

func explainFields(ctx context.Context, s *Subject) (Observation, error) {
	client, err := discovery.NewDiscoveryClientForConfig(s.Config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a discovery client: %w", err)
	}
	describe := func(field ...string) (string, error) {
		var text string
		err := eventually(ctx, "the group's OpenAPI document", func(context.Context) (bool, error) {
			var out bytes.Buffer
			// A server's document is fetched a moment after the server is there; until then the group is not found.
			err := explain.PrintModelDescription(field, &out, client.OpenAPIV3(), fixture.GVR, false, "plaintext")
			text = out.String()
			return err == nil, nil
		})
		return text, err
	}
	spec, err := describe("spec")
	if err != nil {
		return Observation{}, err
	}
	replicas, err := describe("spec", "replicas")
	if err != nil {
		return Observation{}, err
	}
	fields := 0
	_, list, _ := strings.Cut(spec, "FIELDS:\n")
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, "  ") && strings.Contains(line, "\t<") {
			fields++ // the other lines are a field's description and values
		}
	}
	_, heading, _ := strings.Cut(replicas, "FIELD: ")
	heading, description, _ := strings.Cut(heading, "DESCRIPTION:")
	return observed("spec lists %d fields, %s: %s", fields,
		strings.TrimSpace(heading), strings.Join(strings.Fields(description), " "))
}

func fourClients(ctx context.Context, s *Subject) (Observation, error) {
	typed, err := versioned.NewForConfig(s.Config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a typed client: %w", err)
	}
	instance := &mysqlv1.MySQLInstance{}
	source := fixture.Instance("db").Object
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(source, instance); err != nil {
		return Observation{}, fmt.Errorf("could not make a typed object: %w", err)
	}
	created, err := typed.MysqlV1().MySQLInstances(s.Namespace).Create(ctx, instance, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create with the typed client: %w", err)
	}
	untyped, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a dynamic client: %w", err)
	}
	object, err := untyped.Resource(fixture.GVR).Namespace(s.Namespace).Get(ctx, "db", metav1.GetOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not read with the dynamic client: %w", err)
	}
	partial, err := metadata.NewForConfig(s.Config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a metadata client: %w", err)
	}
	meta, err := partial.Resource(fixture.GVR).Namespace(s.Namespace).Get(ctx, "db", metav1.GetOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not read with the metadata client: %w", err)
	}
	changed, err := changeWithControllerRuntime(ctx, s)
	if err != nil {
		return Observation{}, err
	}
	return observed("typed created %s, dynamic read %s, metadata read %s, controller-runtime changed replicas to %d",
		created.Spec.Version, show(object, "spec", "version"), meta.Name, *changed.Spec.Replicas)
}

func changeWithControllerRuntime(ctx context.Context, s *Subject) (*mysqlv1.MySQLInstance, error) {
	c, err := s.controllerRuntime()
	if err != nil {
		return nil, err
	}
	instance := &mysqlv1.MySQLInstance{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: "db"}, instance); err != nil {
		return nil, fmt.Errorf("could not read with the controller-runtime client: %w", err)
	}
	before := instance.DeepCopy()
	*instance.Spec.Replicas = 3
	if err := c.Patch(ctx, instance, client.MergeFrom(before)); err != nil {
		return nil, fmt.Errorf("could not change with the controller-runtime client: %w", err)
	}
	return instance, nil
}

func wholeOpenAPI(ctx context.Context, s *Subject) (Observation, error) {
	v2 := ""
	err := eventually(ctx, "the kind in the OpenAPI document", func(ctx context.Context) (bool, error) {
		var err error
		v2, err = s.references(ctx, "/openapi/v2")
		return strings.Contains(v2, "describes "+fixture.Kind), err
	})
	if err != nil {
		return Observation{}, err
	}
	v3, err := s.references(ctx, "/openapi/v3/apis/"+fixture.Group+"/"+fixture.V1)
	if err != nil {
		return Observation{}, err
	}
	return observed("v2: %s; v3: %s", v2, v3)
}

// references says of an OpenAPI document how many of its references lead nowhere, and whether it has our kind.
func (s *Subject) references(ctx context.Context, path string) (string, error) {
	answer, err := s.get(ctx, path)
	if err != nil {
		return "", err
	}
	var document map[string]any
	if err := json.Unmarshal(answer.Body, &document); err != nil || !answer.OK() {
		return "", fmt.Errorf("could not read %s: the server answered %s", path, answer.Verdict())
	}
	defined, used, kinds := sets.New[string](), sets.New[string](), sets.New[string]()
	for prefix, schemas := range map[string]any{
		"#/definitions/":        document["definitions"],
		"#/components/schemas/": nested(document, "components", "schemas"),
		"#/parameters/":         document["parameters"],
		"#/responses/":          document["responses"],
	} {
		schemas, _ := schemas.(map[string]any)
		for name, schema := range schemas {
			defined.Insert(prefix + name)
			gvks, _ := nested(schema, "x-kubernetes-group-version-kind").([]any)
			for _, gvk := range gvks {
				kinds.Insert(fmt.Sprint(nested(gvk, "group"), " ", nested(gvk, "kind")))
			}
		}
	}
	collectReferences(document, used)
	dangling := sets.List(used.Difference(defined))
	described := choose(kinds.Has(fixture.Group+" "+fixture.Kind), "describes ", "does not describe ") + fixture.Kind
	if len(dangling) > 0 {
		return fmt.Sprintf("%d dangling references such as %s, %s", len(dangling), dangling[0], described), nil
	}
	return "0 dangling references, " + described, nil
}

func nested(value any, path ...string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func collectReferences(value any, used sets.Set[string]) {
	switch value := value.(type) {
	case map[string]any:
		if reference, ok := value["$ref"].(string); ok {
			used.Insert(reference)
		}
		for _, child := range value {
			collectReferences(child, used)
		}
	case []any:
		for _, child := range value {
			collectReferences(child, used)
		}
	}
}

func kubectlPatch(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	_, err := s.kubectl().run(ctx, patch.NewCmdPatch, "mysqlinstance", "db", "-p", `{"spec":{"replicas":3}}`)
	if err != nil {
		return observed("failed: %s", firstClause(err.Error()))
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("patched, replicas %s", show(object, "spec", "replicas"))
}

// firstClause is a message without the details that follow a colon.
func firstClause(message string) string {
	clause, _, _ := strings.Cut(message, ": ")
	return clause
}

func kubectlApply(ctx context.Context, s *Subject) (Observation, error) {
	apply := func(value string) error {
		file, remove, err := s.kubectl().file(fixture.Instance("db", fixture.With("metadata.namespace", s.Namespace),
			fixture.With("spec.parameters", []any{parameter("max_connections", value)})))
		if err != nil {
			return err
		}
		defer remove()
		_, err = s.kubectl().run(ctx, newApply, "-f", file)
		return err
	}
	if err := apply("200"); err != nil {
		return Observation{}, err
	}
	first, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	if first.GetAnnotations()[corev1.LastAppliedConfigAnnotation] == "" {
		return observed("not applied on the client's side")
	}
	_, err = stored(s.apply(ctx, "tuner",
		fixture.Instance("db", fixture.With("spec.parameters", []any{parameter("sort_buffer_size", "1M")}))))
	if err != nil {
		return Observation{}, err
	}
	if err := apply("300"); err != nil {
		return Observation{}, err
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	used := "no patch"
	for _, exchange := range slices.Backward(s.recorder.Exchanges()) {
		if exchange.Method == http.MethodPatch {
			used = strings.Join(exchange.RequestHeader["Content-Type"], ", ")
			break
		}
	}
	return observed("%s, parameters: %s", used, parameters(object))
}
