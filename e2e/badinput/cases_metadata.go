package badinput

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

func named(name string) func() any { return object(fixture.With("metadata.name", name)) }

var namesAndMetadata = []Case{
	{Title: "a name in upper case", Body: named("DB"), CRD: "422 Invalid: metadata.name"},
	{Title: "a name with a colon", Body: named("db:1"), CRD: "422 Invalid: metadata.name"},
	{Title: "a name with a slash", Body: named("a/b"), CRD: "422 Invalid: metadata.name"},
	{Title: "a name that is two dots", Body: named(".."), CRD: "422 Invalid: metadata.name"},
	{Title: "a name of 254 characters", Body: named(strings.Repeat("a", 254)), CRD: "422 Invalid: metadata.name"},
	{
		Title: "invalid UTF-8 in a name", CRD: "422 Invalid: metadata.name",
		Body: text(`{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance",` +
			"\"metadata\":{\"name\":\"\xff\"},\"spec\":" + valid("") + "}"),
	},
	{Title: "no name", Body: object(fixture.Without("metadata.name")), CRD: "422 Invalid: metadata.name"},
	{Title: "a name that is taken", Body: named(Bystander), CRD: "409 AlreadyExists"},
	{
		Title: "another namespace than the path's", Body: object(fixture.With("metadata.namespace", "kube-system")),
		CRD: "400 BadRequest",
	},
	{
		Title: "another kind", Body: object(fixture.With("kind", "PostgresInstance")), CRD: "422 Invalid: kind",
		Aggregated: "400 BadRequest",
	},
	{
		Title: "another version than the path's", Body: object(fixture.With("apiVersion", "mysql.example.com/v9")),
		CRD: "400 BadRequest",
	},
	{
		Title: "no kind", Body: object(fixture.Without("kind")), CRD: "400 BadRequest", Aggregated: "201",
		Reason: "the path says the kind, and typed servers take it from there, as for built-in kinds",
	},
	{
		Title: "a label key that is none",
		Body:  object(fixture.With("metadata.labels", map[string]any{"not a key": "x"})),
		CRD:   "422 Invalid: metadata.labels",
	},
	{
		Title: "a label value that is none", Body: object(fixture.With("metadata.labels.tier", "not a value!")),
		CRD: "422 Invalid: metadata.labels",
	},
	{
		Title: "an annotation key that is none",
		Body:  object(fixture.With("metadata.annotations", map[string]any{"not a key": "x"})),
		CRD:   "422 Invalid: metadata.annotations",
	},
	{
		Title: "a finalizer that is none",
		Body:  object(fixture.With("metadata.finalizers", []any{"not a finalizer"})),
		CRD:   "422 Invalid: metadata.finalizers",
	},
	{
		Title: "an owner without a uid", CRD: "422 Invalid: metadata.ownerReferences.uid",
		Body: object(fixture.With("metadata.ownerReferences",
			[]any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": ""}})),
	},
	{
		Title: "a creation that says which resourceVersion it has seen",
		Body:  object(fixture.With("metadata.resourceVersion", "1")),
		CRD:   "500 without a reason", Reason: "the library has no better code for it, for built-in kinds either",
	},
	{
		Title: "the annotation that carries values between versions, with garbage",
		Body:  object(fixture.With("metadata.annotations", map[string]any{"mysql.example.com/v1-fields": "{"})),
		CRD:   "422 Invalid: metadata.annotations[mysql.example.com/v1-fields]",
	},
}

// noNumber is why a resourceVersion that does not parse is a server's error in these places.
const noNumber = "the library passes the parser's error on as it is, for built-in kinds too"

func bystander(edits ...fixture.Edit) func() any {
	return func() any { return fixture.Instance(Bystander, edits...) }
}

var versionsAndPatches = []Case{
	{
		Title: "PUT without a resourceVersion", Method: "PUT", Name: Bystander, Body: bystander(),
		CRD: "422 Invalid: metadata.resourceVersion",
	},
	{
		Title: "PUT with a stale resourceVersion", Method: "PUT", Name: Bystander,
		Body: bystander(fixture.With("metadata.resourceVersion", "1")), CRD: "409 Conflict",
	},
	{
		Title: "PUT with a resourceVersion that is no number", Method: "PUT", Name: Bystander,
		Body: bystander(fixture.With("metadata.resourceVersion", "latest")),
		CRD:  "500 without a reason", Reason: noNumber,
	},
	{
		Title: "PUT with a resourceVersion from the future", Method: "PUT", Name: Bystander,
		Body: bystander(fixture.With("metadata.resourceVersion", "9000000000000000000")), CRD: "409 Conflict",
	},
	{
		Title: "PUT with another name than the path's", Method: "PUT", Name: Bystander, CRD: "400 BadRequest",
		Body: object(fixture.With("metadata.resourceVersion", "1")),
	},
	{
		Title: "PUT with another uid", Method: "PUT", Name: Bystander, CRD: "409 Conflict",
		Body: bystander(fixture.With("metadata.uid", "00000000-0000-0000-0000-000000000000"),
			fixture.With("metadata.resourceVersion", "1")),
	},
	{Title: "PUT to a name that is not there", Method: "PUT", Name: "missing", CRD: "404 NotFound", Body: func() any {
		return fixture.Instance("missing", fixture.With("metadata.resourceVersion", "1"))
	}},
	{
		Title: "a merge patch that is no JSON", Method: "PATCH", Name: Bystander, Body: text("{"),
		Options: []wire.Option{wire.PatchType(types.MergePatchType)}, CRD: "400 BadRequest",
	},
	{
		Title: "a merge patch that is a list", Method: "PATCH", Name: Bystander, Body: text("[]"),
		Options: []wire.Option{wire.PatchType(types.MergePatchType)}, CRD: "400 BadRequest",
	},
	{
		Title: "a JSON patch that is an object", Method: "PATCH", Name: Bystander, Body: text("{}"),
		Options: []wire.Option{wire.PatchType(types.JSONPatchType)}, CRD: "400 BadRequest",
	},
	{
		Title: "a JSON patch of a field that is not there", Method: "PATCH", Name: Bystander, CRD: "422 Invalid",
		Body:    text(`[{"op":"replace","path":"/spec/no/such/field","value":1}]`),
		Options: []wire.Option{wire.PatchType(types.JSONPatchType)},
	},
	{
		Title: "a patch that takes the name away", Method: "PATCH", Name: Bystander, CRD: "400 BadRequest",
		Body: text(`{"metadata":{"name":null}}`), Options: []wire.Option{wire.PatchType(types.MergePatchType)},
	},
	{
		Title: "a patch that takes the spec away", Method: "PATCH", Name: Bystander,
		CRD: "422 Invalid: spec", Aggregated: "422 Invalid: spec.storage.size, spec.version",
		Body: text(`{"spec":null}`), Options: []wire.Option{wire.PatchType(types.MergePatchType)},
	},
	{
		Title: "an apply without a field manager", Method: "PATCH", Name: Bystander, CRD: "422 Invalid: fieldManager",
		Body: bystander(), Options: []wire.Option{wire.PatchType(types.ApplyPatchType)},
	},
	{
		Title: "an apply of something that is no object", Method: "PATCH", Name: Bystander, CRD: "400 BadRequest",
		Body:    text("- a\n- b\n"),
		Options: []wire.Option{wire.PatchType(types.ApplyPatchType), wire.Query("fieldManager", "x")},
	},
	{
		Title: "a patch of a kind that nobody knows", Method: "PATCH", Name: Bystander, Body: text("{}"),
		Options: []wire.Option{wire.ContentType("application/x-patch")}, CRD: "415 UnsupportedMediaType",
	},
	{
		Title: "a delete with options that are no JSON", Method: "DELETE", Name: Bystander, Body: text("{"),
		CRD: "400 BadRequest",
	},
	{
		Title: "a delete with an unknown propagation policy", Method: "DELETE", Name: Bystander,
		CRD:  "422 Invalid: propagationPolicy",
		Body: text(`{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Everything"}`),
	},
	{Title: "a subresource that is not there", Name: Bystander + "/explode", Body: text("{}"), CRD: "404 NotFound"},
	{
		Title: "a method that is not there", Name: Bystander, Body: text("{}"),
		CRD: "400 BadRequest", Aggregated: "405 MethodNotAllowed",
	},
}

var queries = []Case{
	{
		Title: "a limit that is no number", Method: "GET", Options: []wire.Option{wire.Query("limit", "many")},
		CRD: "400 BadRequest",
	},
	{
		Title: "a continue token that is none", Method: "GET",
		Options: []wire.Option{wire.Query("limit", "1"), wire.Query("continue", "next")}, CRD: "400 BadRequest",
	},
	{
		Title: "a label selector that does not parse", Method: "GET",
		Options: []wire.Option{wire.Query("labelSelector", "=,=")}, CRD: "400 BadRequest",
	},
	{
		Title: "a field selector that does not parse", Method: "GET",
		Options: []wire.Option{wire.Query("fieldSelector", "spec")}, CRD: "400 BadRequest",
	},
	{
		Title: "a field selector for a field that has none", Method: "GET",
		Options: []wire.Option{wire.Query("fieldSelector", "spec.replicas=1")}, CRD: "400 BadRequest",
	},
	{
		Title: "a resourceVersion that is no number", Method: "GET",
		Options: []wire.Option{wire.Query("resourceVersion", "latest")}, CRD: "400 BadRequest",
	},
	{
		Title: "a resourceVersionMatch that is unknown", Method: "GET",
		Options: []wire.Option{wire.Query("resourceVersion", "1"), wire.Query("resourceVersionMatch", "Roughly")},
		CRD:     "422 Invalid: resourceVersionMatch",
	},
	{
		Title: "a watch from a resourceVersion that is no number", Method: "GET",
		Options: []wire.Option{wire.Query("watch", "true"), wire.Query("resourceVersion", "latest")},
		CRD:     "500 without a reason", Reason: noNumber,
	},
	{
		Title: "initial events without a match", Method: "GET",
		Options: []wire.Option{wire.Query("watch", "true"), wire.Query("sendInitialEvents", "true")},
		CRD:     "422 Invalid: resourceVersionMatch",
	},
	{
		Title: "a dry run that is unknown", Body: object(), Options: []wire.Option{wire.Query("dryRun", "Some")},
		CRD: "422 Invalid: dryRun",
	},
	{
		Title: "a field validation that is unknown", Body: object(),
		Options: []wire.Option{wire.Query("fieldValidation", "Perhaps")}, CRD: "422 Invalid: fieldValidation",
	},
	{
		Title: "a field manager that is too long", Body: object(),
		Options: []wire.Option{wire.Query("fieldManager", strings.Repeat("x", 129))},
		CRD:     "422 Invalid: fieldManager",
	},
}
