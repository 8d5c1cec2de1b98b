package mysqlinstance

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metatable "k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// column is one column of a table and how its cells are read from an object of version T. A nil cell is a value that
// the object does not have.
type column[T any] struct {
	metav1.TableColumnDefinition
	cell func(*T) any
}

// The columns are those that the versions' printcolumn markers give the CustomResourceDefinition, down to the
// description: a user of `kubectl get` cannot tell the forms apart. tableconvertor_test.go compares them.
var (
	v1Columns = []column[v1.MySQLInstance]{
		{definition("Version", "string", 0, "MySQL version asked for."),
			func(i *v1.MySQLInstance) any { return i.Spec.Version }},
		{definition("Ready", "string", 0, "Whether the instance serves as asked."),
			func(i *v1.MySQLInstance) any {
				if ready := meta.FindStatusCondition(i.Status.Conditions, v1.ConditionReady); ready != nil {
					return string(ready.Status)
				}
				return nil
			}},
		{definition("Replicas", "integer", 0, "Servers asked for, the primary included."),
			func(i *v1.MySQLInstance) any { return integer(i.Spec.Replicas) }},
		{definition("Storage", "string", 0, "Volume size asked for, per server."),
			func(i *v1.MySQLInstance) any { return i.Spec.Storage.VolumeSize.String() }},
		{definition("Age", "date", 0, ageDescription),
			func(i *v1.MySQLInstance) any { return age(i.CreationTimestamp) }},
		{definition("Endpoint", "string", 1, "Host name of the writable primary."),
			func(i *v1.MySQLInstance) any {
				if i.Status.Endpoint != nil {
					return i.Status.Endpoint.Host
				}
				return nil
			}},
	}

	v1alpha1Columns = []column[v1alpha1.MySQLInstance]{
		{definition("Version", "string", 0, "MySQL version asked for."),
			func(i *v1alpha1.MySQLInstance) any { return i.Spec.EngineVersion }},
		{definition("Phase", "string", 0, "The instance's state in one word."),
			func(i *v1alpha1.MySQLInstance) any { return word(string(i.Status.Phase)) }},
		{definition("Read Replicas", "integer", 0, "Servers asked for, the primary not included."),
			func(i *v1alpha1.MySQLInstance) any { return integer(i.Spec.ReadReplicas) }},
		{definition("Storage GB", "integer", 0, "Volume size asked for, per server."),
			func(i *v1alpha1.MySQLInstance) any { return int64(i.Spec.StorageGB) }},
		{definition("Age", "date", 0, ageDescription),
			func(i *v1alpha1.MySQLInstance) any { return age(i.CreationTimestamp) }},
		{definition("Address", "string", 1, "Address of the writable primary."),
			func(i *v1alpha1.MySQLInstance) any { return word(i.Status.Address) }},
	}
)

// ageDescription is what a CustomResourceDefinition says of a column that its author did not describe.
const ageDescription = "Custom resource definition column (in JSONPath format): .metadata.creationTimestamp"

// nameDefinition is the first column of every table.
var nameDefinition = metav1.TableColumnDefinition{
	Name: "Name", Type: "string", Format: "name", Description: metav1.ObjectMeta{}.SwaggerDoc()["name"],
}

func definition(name, kind string, priority int32, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: kind, Priority: priority, Description: description}
}

func integer(value *int32) any {
	if value == nil {
		return nil
	}
	return int64(*value)
}

func word(value string) any {
	if value == "" {
		return nil
	}
	return value
}

func age(created metav1.Time) any {
	if created.IsZero() {
		return nil
	}
	return metatable.ConvertToHumanReadableDateType(created)
}

// tableConvertor makes tables of hub objects as a client of version T sees them.
type tableConvertor[T any] struct {
	convertor runtime.ObjectConvertor
	columns   []column[T]
}

// NewV1TableConvertor returns the tables of v1.
func NewV1TableConvertor(convertor runtime.ObjectConvertor) rest.TableConvertor {
	return tableConvertor[v1.MySQLInstance]{convertor: convertor, columns: v1Columns}
}

// NewV1alpha1TableConvertor returns the tables of v1alpha1.
func NewV1alpha1TableConvertor(convertor runtime.ObjectConvertor) rest.TableConvertor {
	return tableConvertor[v1alpha1.MySQLInstance]{convertor: convertor, columns: v1alpha1Columns}
}

// ConvertToTable makes a table of one instance or a list of them.
func (c tableConvertor[T]) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	if opts, ok := options.(*metav1.TableOptions); !ok || opts == nil || !opts.NoHeaders {
		table.ColumnDefinitions = append(table.ColumnDefinitions, nameDefinition)
		for _, column := range c.columns {
			table.ColumnDefinitions = append(table.ColumnDefinitions, column.TableColumnDefinition)
		}
	}

	if list, err := meta.ListAccessor(obj); err == nil {
		table.ResourceVersion = list.GetResourceVersion()
		table.Continue = list.GetContinue()
		table.RemainingItemCount = list.GetRemainingItemCount()
	} else if object, err := meta.CommonAccessor(obj); err == nil {
		table.ResourceVersion = object.GetResourceVersion()
	}

	var err error
	table.Rows, err = metatable.MetaToTableRow(obj,
		func(obj runtime.Object, _ metav1.Object, name, _ string) ([]any, error) {
			instance, ok := obj.(*mysql.MySQLInstance)
			if !ok {
				return nil, fmt.Errorf("could not make a table row of %T: it is no MySQLInstance", obj)
			}
			versioned := new(T)
			if err := c.convertor.Convert(instance, versioned, nil); err != nil {
				return nil, fmt.Errorf("could not make a table row of %s: %w", name, err)
			}
			cells := []any{name}
			for _, column := range c.columns {
				cells = append(cells, column.cell(versioned))
			}
			return cells, nil
		})
	return table, err
}
