package mysqlinstance

import (
	"fmt"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// Field labels of the hub. v1 has the same ones; those of v1alpha1 are translated.
const (
	fieldName       = "metadata.name"
	fieldNamespace  = "metadata.namespace"
	fieldVersion    = "spec.version"
	fieldPowerState = "spec.powerState"
)

// AddFieldLabels registers the field selectors that each version supports: the ones that its CustomResourceDefinition
// declares in selectableFields. Any other label is refused as a bad request.
func AddFieldLabels(scheme *runtime.Scheme) error {
	if err := scheme.AddFieldLabelConversionFunc(v1.SchemeGroupVersion.WithKind("MySQLInstance"), v1Field); err != nil {
		return err
	}
	return scheme.AddFieldLabelConversionFunc(v1alpha1.SchemeGroupVersion.WithKind("MySQLInstance"), v1alpha1Field)
}

func v1Field(label, value string) (string, string, error) {
	switch label {
	case fieldName, fieldNamespace, fieldVersion, fieldPowerState:
		return label, value, nil
	}
	return "", "", unsupported(label)
}

func v1alpha1Field(label, value string) (string, string, error) {
	switch label {
	case fieldName, fieldNamespace:
		return label, value, nil
	case "spec.engineVersion":
		return fieldVersion, value, nil
	case "spec.paused":
		switch value {
		case "true":
			return fieldPowerState, string(mysql.PowerStopped), nil
		case "false":
			return fieldPowerState, string(mysql.PowerRunning), nil
		}
		// A bool is never equal to anything else, and no powerState is equal to this.
		return fieldPowerState, "paused=" + value, nil
	}
	return "", "", unsupported(label)
}

func unsupported(label string) error {
	return fmt.Errorf("field label not supported: %s", label)
}

// GetAttrs returns what selectors match on.
func GetAttrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	instance, ok := obj.(*mysql.MySQLInstance)
	if !ok {
		return nil, nil, fmt.Errorf("could not select %T: it is no MySQLInstance", obj)
	}
	return instance.Labels, fields.Set{
		fieldName:       instance.Name,
		fieldNamespace:  instance.Namespace,
		fieldVersion:    instance.Spec.Version,
		fieldPowerState: string(instance.Spec.PowerState),
	}, nil
}

// Match is the predicate for a list or a watch.
func Match(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
	return storage.SelectionPredicate{Label: label, Field: field, GetAttrs: GetAttrs}
}
