package badinput

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

// Cases are all cases.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{syntax, protobufs, sizes, wrongTypes, namesAndMetadata, versionsAndPatches, queries} {
		all = append(all, group...)
	}
	return all
}

var (
	yaml   = wire.ContentType("application/yaml")
	proto  = wire.ContentType(runtime.ContentTypeProtobuf)
	strict = wire.Query("fieldValidation", "Strict")
)

var syntax = []Case{
	{
		Title: "JSON that ends too early", Body: text(`{"apiVersion":"mysql.example.com/v1","kind":`),
		CRD: "400 BadRequest",
	},
	{Title: "no body", CRD: "400 BadRequest"},
	{Title: "a JSON list", Body: text(`[]`), CRD: "400 BadRequest"},
	{
		Title: "JSON null", Body: text(`null`), CRD: "400 BadRequest",
		Aggregated: "422 Invalid: metadata.name, spec.storage.size, spec.version",
	},
	{Title: "a JSON string", Body: text(`"instance"`), CRD: "400 BadRequest"},
	{Title: "NaN as a number", Body: raw(valid(`,"replicas":NaN`)), CRD: "400 BadRequest"},
	{
		Title: "YAML that does not parse", Body: text("apiVersion: [\n\t}"), Options: []wire.Option{yaml},
		CRD: "400 BadRequest",
	},
	{Title: "YAML that expands without end", Body: yamlBomb, Options: []wire.Option{yaml}, CRD: "400 BadRequest"},
	{
		Title: "a media type that nobody speaks", Body: text("name=bad"),
		Options: []wire.Option{wire.ContentType("application/x-www-form-urlencoded")}, CRD: "415 UnsupportedMediaType",
	},
	{
		Title: "an answer in a media type that nobody speaks", Method: "GET", Name: Bystander,
		Options: []wire.Option{wire.Accept("image/png")}, CRD: "406 NotAcceptable",
	},
	{Title: "20,000 lists in each other", Body: raw(nestedArrays(20000)), CRD: "400 BadRequest"},
	{
		Title: "9,000 lists in each other in an unknown field", Body: raw(valid(`,"bogus":` + nestedArrays(9000))),
		Options: []wire.Option{strict}, CRD: "400 BadRequest",
	},
	{
		Title: "9,000 lists in each other in an unknown field, and no wish to be told",
		Body:  raw(valid(`,"bogus":` + nestedArrays(9000))), CRD: "201",
		Reason: "unknown fields are dropped with a warning unless the client asks for Strict",
	},
	{
		Title: "unknown field", Body: raw(valid(`,"bogus":1`)), Options: []wire.Option{strict}, CRD: "400 BadRequest",
	},
	{
		Title: "duplicate field", Body: raw(valid(`,"replicas":1,"replicas":3`)), Options: []wire.Option{strict},
		CRD: "400 BadRequest",
	},
	{
		Title: "invalid UTF-8 in a value",
		Body:  raw(valid(",\"parameters\":[{\"name\":\"init_connect\",\"value\":\"\xff\xfe\"}]")),
		CRD:   "201", Reason: "Go's decoders put U+FFFD for it; kube-apiserver does the same for built-in kinds",
	},
}

// panics is why a protobuf body sent to a custom resource has no answer.
const panics = "kube-apiserver's handler for custom resources panics on any protobuf body and recovers: nothing is " +
	"lost but the connection (apiextensions-apiserver v0.36.3, customresource_handler.go)"

var protobufs = []Case{
	{
		Title: "bytes that are called protobuf", Body: text("\x00\x01\x02\x03 no magic number"),
		Options: []wire.Option{proto},
		CRD:     NoAnswer, Aggregated: "400 BadRequest", Reason: panics,
	},
	{
		Title: "protobuf's magic number and garbage", Body: text("k8s\x00\xff\xff\xff\xff\xff\xff"),
		Options: []wire.Option{proto},
		CRD:     NoAnswer, Aggregated: "400 BadRequest", Reason: panics,
	},
	{
		Title: "a protobuf envelope that says it is longer than it is", Body: text("k8s\x00\x0a\xff\xff\xff\x7f"),
		Options: []wire.Option{proto}, CRD: NoAnswer, Aggregated: "400 BadRequest", Reason: panics,
	},
	{
		Title: "a good object as protobuf", Body: protobufObject, Options: []wire.Option{proto},
		CRD: NoAnswer, Aggregated: "201", Reason: panics,
	},
}

var sizes = []Case{
	{
		Title: "a parameter of 2 MiB",
		Body: object(fixture.With("spec.parameters", []any{map[string]any{
			"name": "init_connect", "value": strings.Repeat("x", 2*mebibyte),
		}})),
		CRD: "422 Invalid: spec.parameters[0].value",
	},
	{
		Title: "annotations of 2 MiB",
		Body:  object(fixture.With("metadata.annotations.note", strings.Repeat("x", 2*mebibyte))),
		CRD:   "422 Invalid: metadata.annotations",
	},
	{
		Title: "an object of 2 MiB", Body: object(fixture.With("metadata.finalizers", longFinalizers(2*mebibyte))),
		CRD: "500 without a reason", Reason: "etcd refuses it, and the library has no better code for that",
	},
	{
		Title: "a body of 4 MiB", Body: object(fixture.With("metadata.annotations.note", strings.Repeat("x", 4*mebibyte))),
		CRD: "413 RequestEntityTooLarge",
	},
	{
		Title: "a patch of 4 MiB", Method: "PATCH", Name: Bystander,
		Options: []wire.Option{wire.PatchType(types.MergePatchType)},
		Body:    func() any { return `{"metadata":{"annotations":{"note":"` + strings.Repeat("x", 4*mebibyte) + `"}}}` },
		CRD:     "413 RequestEntityTooLarge",
	},
	{
		Title: "a JSON patch of 11,000 operations", Method: "PATCH", Name: Bystander,
		Options: []wire.Option{wire.PatchType(types.JSONPatchType)},
		Body: func() any {
			operation := `{"op":"add","path":"/metadata/labels/x","value":"y"}`
			return "[" + strings.Repeat(operation+",", 10999) + operation + "]"
		},
		CRD: "413 RequestEntityTooLarge",
	},
	{
		Title: "200 parameters", Body: func() any {
			var list []any
			for i := range 200 {
				list = append(list, map[string]any{"name": fmt.Sprintf("unknown_%d", i), "value": "1"})
			}
			return fixture.Instance("bad", fixture.With("spec.parameters", list))
		},
		CRD: "422 Invalid: spec.parameters",
		Aggregated: "422 Invalid: spec.parameters, spec.parameters[0].name, spec.parameters[100].name, " +
			"spec.parameters[101].name, spec.parameters[102].name, spec.parameters[103].name and 195 more",
	},
}

var wrongTypes = []Case{
	{
		Title: "spec is a string", Body: raw(`"8.4.3"`), CRD: "422 Invalid: spec, spec.replicas",
		Aggregated: "400 BadRequest",
	},
	{
		Title: "no spec", Body: object(fixture.Without("spec")), CRD: "422 Invalid: spec",
		Aggregated: "422 Invalid: spec.storage.size, spec.version",
	},
	{
		Title: "replicas is a string", Body: raw(valid(`,"replicas":"three"`)), CRD: "422 Invalid: spec.replicas",
		Aggregated: "400 BadRequest",
	},
	{
		Title: "replicas is 10^20", Body: raw(valid(`,"replicas":100000000000000000000`)),
		CRD: "422 Invalid: spec.replicas", Aggregated: "400 BadRequest",
	},
	{
		Title: "replicas is 1e0", Body: raw(valid(`,"replicas":1e0`)),
		CRD: "422 Invalid: spec.replicas", Aggregated: "400 BadRequest",
	},
	{
		Title: "a port that is 33.06e2", Body: raw(valid(`,"service":{"port":33.06e2}`)),
		CRD: "201", Aggregated: "400 BadRequest",
		Reason: "the schema takes any number without a fraction, a Go integer only digits",
	},
	{
		Title: "parameters is an object", Body: raw(valid(`,"parameters":{"max_connections":"1"}`)),
		CRD: "422 Invalid: spec.parameters", Aggregated: "400 BadRequest",
	},
	{
		Title: "a parameter is null", Body: raw(valid(`,"parameters":[null]`)),
		CRD: "422 Invalid: spec.parameters[0]", Aggregated: "422 Invalid: spec.parameters[0].name",
	},
	{
		Title: "a size that is no quantity", Body: raw(`{"version":"8.4.3","storage":{"size":"lots"}}`),
		CRD: "422 Invalid: spec.storage.size", Aggregated: "400 BadRequest",
	},
	{
		Title: "a negative size", Body: raw(`{"version":"8.4.3","storage":{"size":"-1Gi"}}`),
		CRD: "422 Invalid: spec.storage.size",
	},
	{
		Title: "a version with a newline in it", Body: raw(`{"version":"8.4.3\n","storage":{"size":"1Gi"}}`),
		CRD: "422 Invalid: spec.version",
	},
	{
		Title: "a parameter value that would add a line to the option file",
		Body:  raw(valid(`,"parameters":[{"name":"init_connect","value":"x\nskip-grant-tables"}]`)),
		CRD:   "422 Invalid: spec.parameters[0].value",
	},
	{
		Title: "metadata is a list",
		Body:  text(`{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","metadata":[],"spec":{}}`),
		CRD:   "400 BadRequest",
	},
	{
		Title: "a label is a number", Body: object(fixture.With("metadata.labels", map[string]any{"tier": int64(1)})),
		CRD: "400 BadRequest",
	},
}
