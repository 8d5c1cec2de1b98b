// Command models-schema prints the OpenAPI v2 document of the generated definitions. applyconfiguration-gen reads it
// to embed the schema that server-side apply needs.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/duet-api/duet/shared/openapi"
)

func main() {
	if err := json.NewEncoder(os.Stdout).Encode(document()); err != nil {
		fmt.Fprintln(os.Stderr, "models-schema:", err)
		os.Exit(1)
	}
}

func document() *spec.Swagger {
	definitions := openapi.GetOpenAPIDefinitions(func(name string) spec.Ref {
		return spec.MustCreateRef("#/definitions/" + name)
	})
	schemas := make(spec.Definitions, len(definitions))
	for name, definition := range definitions {
		schemas[name] = definition.Schema
		// A type that embeds a v2 schema (an int-or-string, say) means that one here.
		if v2, ok := definition.Schema.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
			schemas[name] = v2
		}
	}
	return &spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger:     "2.0",
		Info:        &spec.Info{InfoProps: spec.InfoProps{Title: "MySQLInstance", Version: "unversioned"}},
		Definitions: schemas,
	}}
}
