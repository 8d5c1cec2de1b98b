package corpus

import (
	"context"
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/crdserverscheme"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured/unstructuredscheme"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	contract "github.com/duet-api/duet/shared/api/mysql/corpus"
)

// SchemaJudge decides as kube-apiserver does about a custom resource, with its own code: decoding, pruning, defaulting,
// and the strategy that runs the schema, list types, CEL and ratcheting.
type SchemaJudge struct {
	versions map[string]servedVersion
}

type servedVersion struct {
	structural *structuralschema.Structural
	create     rest.RESTCreateStrategy
	update     rest.RESTUpdateStrategy
	status     rest.RESTUpdateStrategy
}

// NewSchemaJudge compiles the schemas of every version. An error means that kube-apiserver would not serve the
// definition.
func NewSchemaJudge(crd *apiextensionsv1.CustomResourceDefinition) (*SchemaJudge, error) {
	judge := &SchemaJudge{versions: map[string]servedVersion{}}
	for _, version := range crd.Spec.Versions {
		served, err := serve(crd, version)
		if err != nil {
			return nil, fmt.Errorf("could not serve version %s: %w", version.Name, err)
		}
		judge.versions[version.Name] = served
	}
	return judge, nil
}

func serve(
	crd *apiextensionsv1.CustomResourceDefinition, version apiextensionsv1.CustomResourceDefinitionVersion,
) (servedVersion, error) {
	props := &apiextensions.JSONSchemaProps{}
	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		version.Schema.OpenAPIV3Schema, props, nil)
	if err != nil {
		return servedVersion{}, err
	}
	structural, err := structuralschema.NewStructural(props)
	if err != nil {
		return servedVersion{}, err
	}
	whole, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return servedVersion{}, err
	}
	statusProps := props.Properties["status"]
	statusOnly, _, err := validation.NewSchemaValidator(&statusProps)
	if err != nil {
		return servedVersion{}, err
	}
	var scale *apiextensions.CustomResourceSubresourceScale
	if version.Subresources.Scale != nil {
		scale = &apiextensions.CustomResourceSubresourceScale{}
		err := apiextensionsv1.Convert_v1_CustomResourceSubresourceScale_To_apiextensions_CustomResourceSubresourceScale(
			version.Subresources.Scale, scale, nil)
		if err != nil {
			return servedVersion{}, err
		}
	}
	gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
	strategy := customresource.NewStrategy(crdserverscheme.NewUnstructuredObjectTyper(), true, gvk, whole, statusOnly,
		structural, &apiextensions.CustomResourceSubresourceStatus{}, scale, version.SelectableFields)
	return servedVersion{
		structural: structural, create: strategy, update: strategy, status: customresource.NewStatusStrategy(strategy),
	}, nil
}

// Judge returns the verdict on a case. An error means that the case cannot be asked.
func (j *SchemaJudge) Judge(ctx context.Context, c contract.Case) (contract.Verdict, error) {
	version, served := j.versions[c.Version]
	if !served {
		return contract.Verdict{}, fmt.Errorf("version %s is not served", c.Version)
	}
	ctx = request.WithNamespace(ctx, namespace)
	object, err := version.decode(c.Body, c.FieldValidation == metav1.FieldValidationStrict)
	if err != nil {
		return verdict(apierrors.NewBadRequest(err.Error()))
	}
	if c.Old == nil {
		rest.FillObjectMetaSystemFields(object)
		object.SetNamespace(namespace)
		return verdict(rest.BeforeCreate(version.create, ctx, object))
	}
	old, err := version.decode(c.Old, false)
	if err != nil {
		return contract.Verdict{}, fmt.Errorf("could not decode the old object: %w", err)
	}
	rest.FillObjectMetaSystemFields(old)
	old.SetNamespace(namespace)
	old.SetResourceVersion("1")
	replace(object, old)
	if c.Subresource == "status" {
		return verdict(rest.BeforeUpdate(version.status, ctx, object, old))
	}
	return verdict(rest.BeforeUpdate(version.update, ctx, object, old))
}

// replace gives an object what makes it the same one as old.
func replace(object, old metav1.Object) {
	object.SetNamespace(old.GetNamespace())
	object.SetUID(old.GetUID())
	object.SetResourceVersion(old.GetResourceVersion())
	object.SetCreationTimestamp(old.GetCreationTimestamp())
}

func (v servedVersion) decode(body []byte, strict bool) (*unstructured.Unstructured, error) {
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, unstructuredscheme.NewUnstructuredCreator(),
		unstructuredscheme.NewUnstructuredObjectTyper(), json.SerializerOptions{Yaml: true, Strict: strict})
	decoded, _, err := decoder.Decode(body, nil, &unstructured.Unstructured{})
	if err != nil {
		return nil, err
	}
	object := decoded.(*unstructured.Unstructured)
	unknown := pruning.PruneWithOptions(object.Object, v.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: strict})
	if len(unknown) > 0 {
		return nil, runtime.NewStrictDecodingError([]error{fmt.Errorf("unknown fields %q", unknown)})
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object.Object, v.structural)
	defaulting.Default(object.Object, v.structural)
	return object, nil
}
