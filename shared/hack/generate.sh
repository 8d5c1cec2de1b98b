#!/usr/bin/env bash
# Regenerates everything that is generated, from the types in shared/api. `make generate` calls it; `make verify`
# calls it too and fails when it changes a file. It needs Go and nothing else.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
module=github.com/duet-api/duet
api=$module/shared/api/mysql
header=$root/shared/hack/boilerplate.go.txt

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "building the generators"
go -C shared/hack/tools build -o "$work/bin/" tool
export PATH=$work/bin:$PATH

find shared/api -name 'zz_generated.*' -delete

echo "deepcopy"
deepcopy-gen --go-header-file "$header" --output-file zz_generated.deepcopy.go $api $api/v1 $api/v1alpha1

echo "protobuf"
# go-to-protobuf wants every package below one directory, as in a GOPATH.
proto=$work/src
mkdir -p "$proto/$(dirname $module)" "$proto/k8s.io" "$proto/github.com/gogo"
ln -s "$root" "$proto/$module"
ln -s "$(go list -m -f '{{.Dir}}' k8s.io/apimachinery)" "$proto/k8s.io/apimachinery"
ln -s "$(go -C shared/hack/tools list -m -f '{{.Dir}}' github.com/gogo/protobuf)" "$proto/github.com/gogo/protobuf"
apimachinery=$(printf -- '-k8s.io/apimachinery/pkg/%s,' api/resource runtime/schema runtime apis/meta/v1)
go-to-protobuf --go-header-file "$header" --output-dir "$proto" --proto-import "$proto" \
	--apimachinery-packages "${apimachinery%,}" --packages $api/v1

echo "defaults"
defaulter-gen --go-header-file "$header" --output-file zz_generated.defaults.go $api/v1 $api/v1alpha1

echo "conversions"
conversion-gen --go-header-file "$header" --output-file zz_generated.conversion.go $api/v1 $api/v1alpha1

echo "OpenAPI"
meta=(k8s.io/apimachinery/pkg/apis/meta/v1 k8s.io/apimachinery/pkg/api/resource k8s.io/apimachinery/pkg/runtime
	k8s.io/apimachinery/pkg/version k8s.io/apimachinery/pkg/util/intstr)
openapi-gen --go-header-file "$header" --output-dir shared/openapi --output-pkg $module/shared/openapi \
	--output-file zz_generated.openapi.go --output-model-name-file zz_generated.model_name.go \
	$(printf -- '--readonly-pkg %s ' "${meta[@]}" k8s.io/api/autoscaling/v1) \
	--report-filename "$work/openapi-violations" "${meta[@]}" k8s.io/api/autoscaling/v1 $api/v1 $api/v1alpha1

echo "clients"
go run ./shared/openapi/models-schema > "$work/schema.json"
applyconfiguration-gen --go-header-file "$header" --output-dir "$work/client/applyconfiguration" \
	--output-pkg $module/shared/client/applyconfiguration --openapi-schema "$work/schema.json" $api/v1 $api/v1alpha1
client-gen --go-header-file "$header" --output-dir "$work/client/clientset" \
	--output-pkg $module/shared/client/clientset --clientset-name versioned --prefers-protobuf=false \
	--input-base "" --input $api/v1,$api/v1alpha1 --apply-configuration-package $module/shared/client/applyconfiguration
lister-gen --go-header-file "$header" --output-dir "$work/client/listers" \
	--output-pkg $module/shared/client/listers $api/v1 $api/v1alpha1
informer-gen --go-header-file "$header" --output-dir "$work/client/informers" \
	--output-pkg $module/shared/client/informers --versioned-clientset-package $module/shared/client/clientset/versioned \
	--listers-package $module/shared/client/listers $api/v1 $api/v1alpha1

rm -rf shared/client
mv "$work/client" shared/client

echo "CustomResourceDefinition"
# controller-gen makes a definition of every kind that has metadata; v1 has some that only a server can answer for.
controller-gen crd:headerFile=shared/hack/boilerplate.yaml.txt,allowDangerousTypes=false \
	paths=./shared/api/mysql/v1/... paths=./shared/api/mysql/v1alpha1/... output:crd:dir="$work/crd"
cp "$work/crd/mysql.example.com_mysqlinstances.yaml" crd-impl/config/crd/
