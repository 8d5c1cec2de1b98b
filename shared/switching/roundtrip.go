package switching

import (
	"encoding/json"
	"fmt"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/duet-api/duet/shared/api/mysql"
	apiinstall "github.com/duet-api/duet/shared/api/mysql/install"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/install"
)

// judge says what a form would lose of an object, as paths. An object that it could not read at all is an error.
type judge func(*unstructured.Unstructured) ([]string, error)

// typedJudge reads and writes an object as a typed server does: what the types have no field for is lost.
func typedJudge() judge {
	scheme := runtime.NewScheme()
	apiinstall.Install(scheme)
	codec := serializer.NewCodecFactory(scheme).CodecForVersions(
		serializer.NewCodecFactory(scheme).LegacyCodec(v1.SchemeGroupVersion),
		serializer.NewCodecFactory(scheme).UniversalDeserializer(), v1.SchemeGroupVersion, mysql.SchemeGroupVersion)
	return func(object *unstructured.Unstructured) ([]string, error) {
		text, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		hub, err := runtime.Decode(codec, text)
		if err != nil {
			return nil, err
		}
		if text, err = runtime.Encode(codec, hub); err != nil {
			return nil, err
		}
		again := &unstructured.Unstructured{}
		if err := json.Unmarshal(text, &again.Object); err != nil {
			return nil, err
		}
		return lost(normal(object.Object), normal(again.Object), ""), nil
	}
}

// normal is a value as any JSON document would have it.
func normal(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return value
	}
	var again any
	if err := json.Unmarshal(text, &again); err != nil {
		return value
	}
	return again
}

// schemaJudge reads an object as a CustomResourceDefinition does: what the schema does not know is pruned.
func schemaJudge(definition *unstructured.Unstructured) (judge, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(definition.Object, crd); err != nil {
		return nil, err
	}
	for _, version := range crd.Spec.Versions {
		if version.Name != install.Resource.Version {
			continue
		}
		internal := &apiextensions.JSONSchemaProps{}
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
			version.Schema.OpenAPIV3Schema, internal, nil); err != nil {
			return nil, err
		}
		schema, err := structuralschema.NewStructural(internal)
		if err != nil {
			return nil, err
		}
		return func(object *unstructured.Unstructured) ([]string, error) {
			options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
			return pruning.PruneWithOptions(object.DeepCopy().Object, schema, true, options), nil
		}, nil
	}
	return nil, fmt.Errorf("the CustomResourceDefinition has no version %s", install.Resource.Version)
}
