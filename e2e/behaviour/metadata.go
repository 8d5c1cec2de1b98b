package behaviour

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var metadataRows = []Row{
	{
		ID: "A9", Group: Machinery, Title: "PartialObjectMetadata",
		Why:    "The garbage collector and many controllers read nothing but metadata, and want it small.",
		Source: "api-concepts, Metadata-only fetches", Flag: Parity,
		Expect: Both("JSON: PartialObjectMetadataList of 2, protobuf: 2 names, watch: ADDED three"),
		Probe:  partialMetadata,
	},
	{
		ID: "A11", Group: Machinery, Title: "Table output",
		Why:    "It is what `kubectl get` prints.",
		Source: "api-concepts, Receiving resources as Tables; the library's default is NAME and CREATED AT",
		Flag:   Parity,
		Expect: Both("Name string, Version string, Ready string, Replicas integer, Storage string, Age date, " +
			"wide: Endpoint string; row: db, 8.4.3, 1, 1Gi"),
		Probe: table,
	},
	{
		ID: "A32", Group: Machinery, Title: "Warning about an unqualified finalizer",
		Why:    "Two controllers that choose the same short name remove each other's finalizer.",
		Source: "apiextensions-apiserver pkg/registry/customresource/strategy.go", Flag: Parity,
		Expect: Both("201 with the warning: prefer a domain-qualified finalizer name"),
		Probe:  finalizerWarning,
	},
	{
		ID: "A42", Group: Machinery, Title: "Response headers",
		Why:    "Tools that join audit logs by a header must know whether it comes once.",
		Source: "kube-aggregator handler_proxy.go: a reverse proxy adds the backend's headers to its own",
		Flag:   Undocumented,
		Expect: Expectation{
			CRD:        "Audit-Id 1, Cache-Control 1, X-Kubernetes-Pf-Flowschema-Uid 1",
			Aggregated: "Audit-Id 2, Cache-Control 2, X-Kubernetes-Pf-Flowschema-Uid 2",
		},
		Probe: responseHeaders,
	},
	{
		ID: "A43", Group: Machinery, Title: "Size limits",
		Why:    "A body that is refused halfway must be refused in the client's language.",
		Source: "apiserver pkg/server/config.go (3 MiB); etcd --max-request-bytes (1.5 MiB)", Flag: Parity,
		Expect: Both("4 MiB body 413 RequestEntityTooLarge; 300 KiB of annotations 422 Invalid: metadata.annotations"),
		Probe:  sizeLimits,
	},
}

const partialList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

func partialMetadata(ctx context.Context, s *Subject) (Observation, error) {
	for _, name := range []string{"one", "two"} {
		if _, err := s.create(ctx, fixture.Instance(name)); err != nil {
			return Observation{}, err
		}
	}
	list, err := stored(s.get(ctx, s.path(), wire.Accept(partialList)))
	if err != nil {
		return Observation{}, err
	}
	config := rest.CopyConfig(s.Config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a metadata client: %w", err)
	}
	instances := client.Resource(fixture.GVR).Namespace(s.Namespace)
	read, err := instances.List(ctx, metav1.ListOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not list metadata as protobuf: %w", err)
	}
	watching, err := instances.Watch(ctx, metav1.ListOptions{ResourceVersion: read.ResourceVersion})
	if err != nil {
		return Observation{}, fmt.Errorf("could not watch metadata: %w", err)
	}
	defer watching.Stop()
	if _, err := s.create(ctx, fixture.Instance("three")); err != nil {
		return Observation{}, err
	}
	for event := range watching.ResultChan() {
		object, ok := event.Object.(*metav1.PartialObjectMetadata)
		if !ok {
			return Observation{}, fmt.Errorf("the watch sent %s with a %T", event.Type, event.Object)
		}
		if object.Name == "three" {
			return observed("JSON: %s of %d, protobuf: %d names, watch: %s %s",
				list.GetKind(), len(namesIn(list)), len(read.Items), event.Type, object.Name)
		}
	}
	return Observation{}, fmt.Errorf("the watch ended before the new object's event")
}

func table(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	answer, err := s.get(ctx, s.path(), wire.Accept("application/json;as=Table;v=v1;g=meta.k8s.io"))
	if err != nil || !answer.OK() {
		return Observation{Summary: verdictOf(answer)}, err
	}
	var got metav1.Table
	if err := json.Unmarshal(answer.Body, &got); err != nil {
		return Observation{}, fmt.Errorf("could not read the table: %w", err)
	}
	if len(got.Rows) != 1 {
		return observed("%d rows", len(got.Rows))
	}
	var narrow, wide, cells []string
	for i, column := range got.ColumnDefinitions {
		definition := column.Name + " " + column.Type
		if column.Priority > 0 {
			wide = append(wide, definition)
			continue
		}
		narrow = append(narrow, definition)
		// Ready is the controller's to say, and Age is never the same twice.
		if column.Name != "Ready" && column.Name != "Age" {
			cells = append(cells, fmt.Sprint(got.Rows[0].Cells[i]))
		}
	}
	return observed("%s, wide: %s; row: %s",
		strings.Join(narrow, ", "), strings.Join(wide, ", "), strings.Join(cells, ", "))
}

func finalizerWarning(ctx context.Context, s *Subject) (Observation, error) {
	s.afterwards(s.release)
	answer, err := s.post(ctx, s.path(),
		fixture.Instance("db", fixture.With("metadata.finalizers", []any{"example.com"})))
	if err != nil {
		return Observation{}, err
	}
	const advice = "prefer a domain-qualified finalizer name"
	for _, warning := range answer.Warnings() {
		if strings.Contains(warning, advice) {
			return observed("%s with the warning: %s", answer.Verdict(), advice)
		}
	}
	return observed("%s without a warning", answer.Verdict())
}

func responseHeaders(ctx context.Context, s *Subject) (Observation, error) {
	answer, err := s.get(ctx, s.path())
	if err != nil {
		return Observation{}, err
	}
	var counts []string
	for _, name := range []string{"Audit-Id", "Cache-Control", "X-Kubernetes-Pf-Flowschema-Uid"} {
		counts = append(counts, fmt.Sprintf("%s %d", name, len(answer.Header.Values(name))))
	}
	return observed("%s", strings.Join(counts, ", "))
}

func sizeLimits(ctx context.Context, s *Subject) (Observation, error) {
	body, err := s.post(ctx, s.path(), fixture.Instance("db",
		fixture.With("metadata.annotations.note", strings.Repeat("x", 4<<20))))
	if err != nil {
		return Observation{}, err
	}
	annotations, err := s.post(ctx, s.path(), fixture.Instance("db",
		fixture.With("metadata.annotations.note", strings.Repeat("x", 300<<10))))
	if err != nil {
		return Observation{}, err
	}
	return observed("4 MiB body %s; 300 KiB of annotations %s", body.Verdict(), annotations.Verdict())
}
