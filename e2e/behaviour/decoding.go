package behaviour

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	mysqlinstall "github.com/duet-api/duet/shared/api/mysql/install"
	mysqlv1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

var decodingRows = []Row{
	{
		ID: "A7", Group: Machinery, Title: "Response as protobuf",
		Why:    "Protobuf costs a fraction of JSON to encode and read, which counts in large lists.",
		Source: "api-concepts says neither form has it; kubernetes#63677", Flag: Outdated,
		Expect: Expectation{
			CRD:        "406 NotAcceptable",
			Aggregated: "200 application/vnd.kubernetes.protobuf, begins with k8s\\x00",
		},
		Probe: protobufResponse,
	},
	{
		ID: "A8", Group: Machinery, Title: "Request body as protobuf",
		Why: "A typed client that is set to protobuf fails on a custom resource, " +
			"and the failure is a cut connection, not a refusal.",
		Source: "custom-resources, Protocol Buffers; apiextensions-apiserver customresource_handler.go (handler panics)",
		Flag:   Documented,
		Expect: Expectation{CRD: "no answer: the connection is cut", Aggregated: "201, replicas 3"},
		Probe:  protobufRequest,
	},
	{
		ID: "A22", Group: Machinery, Title: "Field validation: Strict, Warn, Ignore",
		Why:    "A misspelt field that is dropped in silence is the most common mistake in manifests.",
		Source: "api-concepts, Field validation", Flag: Parity,
		Expect: Both(`Strict 400 BadRequest (unknown field "spec.bogus", duplicate field "spec.replicas"), ` +
			`Warn 201 (unknown field "spec.bogus", duplicate field "spec.replicas"), Ignore 201 ()`),
		Probe: fieldValidation,
	},
	{
		ID: "A23", Group: Machinery, Title: "Wrong JSON type for a field",
		Why:    "The client learns which field is wrong from a 422, and only that something is wrong from a 400.",
		Source: "apiextensions-apiserver validates what it decoded; an aggregated server decodes into Go types",
		Flag:   Undocumented,
		Expect: Expectation{
			CRD: "replicas: \"three\" 422 Invalid: spec.replicas; replicas: 1.5 422 Invalid: spec.replicas; " +
				"storage: [] 422 Invalid: spec.storage",
			Aggregated: "replicas: \"three\" 400 BadRequest; replicas: 1.5 400 BadRequest; storage: [] 400 BadRequest",
		},
		Probe: wrongType,
	},
	{
		ID: "A24", Group: Machinery, Title: "Explicit empty values",
		Why: "A tool that compares what it sent with what is stored sees a difference for ever " +
			"if an empty list comes back as none.",
		Source: "custom-resources, Unset versus Empty, claims it of both", Flag: Outdated,
		Expect: Expectation{
			CRD:        "parameters [] is stored as [], labels {} as absent, credentials null as absent",
			Aggregated: "parameters [] is stored as absent, labels {} as absent, credentials null as absent",
		},
		Probe: emptyValues,
	},
	{
		ID: "A25", Group: Machinery, Title: "Explicit null",
		Why:    "Templates render unset values as null, and these must get the default.",
		Source: "custom-resource-definitions, Defaulting and Nullable", Flag: Parity,
		Expect: Both("replicas 1, deletionPolicy Retain, tls.mode Preferred, parameters absent"),
		Probe:  nulls,
	},
	{
		ID: "A26", Group: Machinery, Title: "Unknown fields in storage",
		Why:    "What is stored and served although no schema knows it becomes an API nobody designed.",
		Source: "custom-resource-definitions, Field pruning", Flag: Parity,
		Expect: Both("spec.bogus is dropped, metadata.bogus is dropped"),
		Probe:  unknownFields,
	},
}

// protobufCodec writes v1 objects as protobuf, with the envelope that servers expect.
func protobufCodec() runtime.Encoder {
	scheme := runtime.NewScheme()
	mysqlinstall.Install(scheme)
	return protobuf.NewSerializer(scheme, scheme)
}

func protobufResponse(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	answer, err := s.get(ctx, s.path("db"), wire.Accept(runtime.ContentTypeProtobuf))
	if err != nil || !answer.OK() {
		return Observation{Summary: verdictOf(answer)}, err
	}
	magic := "k8s\x00"
	return observed("%d %s, begins with %s", answer.Code, answer.Header.Get("Content-Type"),
		strings.Trim(fmt.Sprintf("%q", answer.Body[:min(len(magic), len(answer.Body))]), `"`))
}

func protobufRequest(ctx context.Context, s *Subject) (Observation, error) {
	instance := &mysqlv1.MySQLInstance{}
	source := fixture.Instance("db", fixture.With("spec.replicas", 3))
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(source.Object, instance); err != nil {
		return Observation{}, fmt.Errorf("could not make a typed object: %w", err)
	}
	body, err := runtime.Encode(protobufCodec(), instance)
	if err != nil {
		return Observation{}, fmt.Errorf("could not encode an object as protobuf: %w", err)
	}
	answer, err := s.post(ctx, s.path(), body, wire.ContentType(runtime.ContentTypeProtobuf))
	if err != nil {
		if ctx.Err() != nil {
			return Observation{}, err
		}
		return observed("no answer: the connection is cut")
	}
	if !answer.OK() {
		return observed("%s", answer.Verdict())
	}
	object, err := answer.Object()
	if err != nil {
		return Observation{}, err
	}
	replicas, _, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
	return observed("%s, replicas %d", answer.Verdict(), replicas)
}

// misspelt is an object with one unknown field and one that is there twice.
func misspelt(name string) string {
	return fmt.Sprintf(`{"apiVersion":"%s/%s","kind":"%s","metadata":{"name":%q},`+
		`"spec":{"version":"8.4.3","storage":{"size":"1Gi"},"bogus":1,"replicas":1,"replicas":3}}`,
		fixture.Group, fixture.V1, fixture.Kind, name)
}

func fieldValidation(ctx context.Context, s *Subject) (Observation, error) {
	var seen []string
	for _, mode := range []string{"Strict", "Warn", "Ignore"} {
		answer, err := s.post(ctx, s.path(), misspelt(strings.ToLower(mode)), wire.Query("fieldValidation", mode))
		if err != nil {
			return Observation{}, err
		}
		told := strings.Join(answer.Warnings(), "\n")
		if status := answer.Status(); status != nil {
			told = status.Message
		}
		seen = append(seen, fmt.Sprintf("%s %s (%s)", mode, answer.Verdict(), strings.Join(strictErrors(told), ", ")))
	}
	return observed("%s", strings.Join(seen, ", "))
}

// strictErrors are the complaints about fields in a text, whatever stands around them, unknown fields first.
func strictErrors(text string) []string {
	var found []string
	for _, complaint := range []string{`unknown field "spec.bogus"`, `duplicate field "spec.replicas"`} {
		if strings.Contains(text, complaint) {
			found = append(found, complaint)
		}
	}
	return found
}

func wrongType(ctx context.Context, s *Subject) (Observation, error) {
	var seen []string
	for _, wrong := range []struct {
		field string
		value any
	}{
		{"replicas", "three"},
		{"replicas", 1.5},
		{"storage", []any{}},
	} {
		answer, err := s.post(ctx, s.path(), fixture.Instance("db", fixture.With("spec."+wrong.field, wrong.value)))
		if err != nil {
			return Observation{}, err
		}
		value, err := json.Marshal(wrong.value)
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, fmt.Sprintf("%s: %s %s", wrong.field, value, answer.Verdict()))
	}
	return observed("%s", strings.Join(seen, "; "))
}

func emptyValues(ctx context.Context, s *Subject) (Observation, error) {
	_, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.parameters", []any{}),
		fixture.With("metadata.labels", map[string]any{}), fixture.With("spec.credentials", nil)))
	if err != nil {
		return Observation{}, err
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("parameters [] is stored as %s, labels {} as %s, credentials null as %s",
		show(object, "spec", "parameters"), show(object, "metadata", "labels"), show(object, "spec", "credentials"))
}

// show is a field's value as JSON without quotes, or "absent".
func show(object *unstructured.Unstructured, path ...string) string {
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if err != nil || !found {
		return "absent"
	}
	content, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(content), `"`)
}

func nulls(ctx context.Context, s *Subject) (Observation, error) {
	object, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.replicas", nil),
		fixture.With("spec.deletionPolicy", nil), fixture.With("spec.tls", nil), fixture.With("spec.parameters", nil)))
	if err != nil {
		return Observation{}, err
	}
	return observed("replicas %s, deletionPolicy %s, tls.mode %s, parameters %s", show(object, "spec", "replicas"),
		show(object, "spec", "deletionPolicy"), show(object, "spec", "tls", "mode"), show(object, "spec", "parameters"))
}

func unknownFields(ctx context.Context, s *Subject) (Observation, error) {
	_, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.bogus", "x"), fixture.With("metadata.bogus", "x")))
	if err != nil {
		return Observation{}, err
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	var fates []string
	for _, parent := range []string{"spec", "metadata"} {
		_, kept, _ := unstructured.NestedFieldNoCopy(object.Object, parent, "bogus")
		fates = append(fates, fmt.Sprintf("%s.bogus is %s", parent, choose(kept, "kept", "dropped")))
	}
	return observed("%s", strings.Join(fates, ", "))
}
