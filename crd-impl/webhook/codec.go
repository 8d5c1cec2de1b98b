package webhook

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/install"
)

// kind is the one kind that is ever reviewed here.
const kind = "MySQLInstance"

// errMalformed marks an object of the right kind whose fields do not fit it.
var errMalformed = errors.New("could not decode the object")

// codec turns the bytes in a review into objects, and objects of one version into objects of another.
type codec struct {
	scheme *runtime.Scheme
	json   *json.Serializer
}

func newCodec() codec {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return codec{
		scheme: scheme,
		json:   json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{}),
	}
}

// decode returns an instance in the version it is written in. The scheme alone would take more: lists, the hub, and the
// options that every group has.
func (c codec) decode(raw []byte) (runtime.Object, schema.GroupVersionKind, error) {
	if len(raw) == 0 {
		return nil, schema.GroupVersionKind{}, apierrors.NewBadRequest("the review has no object")
	}
	object, found, err := c.json.Decode(raw, nil, nil)
	if found != nil && (found.GroupKind() != mysql.Kind(kind) || !c.scheme.IsVersionRegistered(found.GroupVersion())) {
		return nil, *found, apierrors.NewBadRequest(fmt.Sprintf(
			"could not take an object of kind %q in %q: this server knows %s in the served versions of %s",
			found.Kind, found.GroupVersion(), kind, mysql.GroupName))
	}
	if err != nil {
		return nil, schema.GroupVersionKind{}, fmt.Errorf("%w: %w", errMalformed, apierrors.NewBadRequest(err.Error()))
	}
	return object, *found, nil
}

// decodeHub returns an instance as the rules want to see it: defaulted in its own version, then converted.
func (c codec) decodeHub(raw []byte) (*mysql.MySQLInstance, schema.GroupVersionKind, error) {
	object, found, err := c.decode(raw)
	if err != nil {
		return nil, found, err
	}
	c.scheme.Default(object)
	hub, err := c.toHub(object)
	return hub, found, err
}

func (c codec) toHub(object runtime.Object) (*mysql.MySQLInstance, error) {
	hub := &mysql.MySQLInstance{}
	if err := c.scheme.Convert(object, hub, nil); err != nil {
		return nil, fmt.Errorf("could not convert to the hub: %w", err)
	}
	return hub, nil
}

// convert returns the instance in another version. The result may share memory with it.
func (c codec) convert(object runtime.Object, to schema.GroupVersion) (runtime.Object, error) {
	hub, err := c.toHub(object)
	if err != nil {
		return nil, err
	}
	converted, err := c.scheme.UnsafeConvertToVersion(hub, to)
	if err != nil {
		return nil, fmt.Errorf("could not convert to %s: %w", to, err)
	}
	return converted, nil
}
