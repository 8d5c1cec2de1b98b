package validation

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/release"
	"github.com/duet-api/duet/shared/api/mysql/sysvar"
)

const (
	maxParameters     = 128
	maxParameterName  = 64
	maxParameterValue = 1024

	bufferPoolSize = "innodb_buffer_pool_size"
)

var parameterName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// parameterText is a parameter's name or value in an error. It knows the parameter's name, which v1alpha1's path of the
// error needs and v1's, with its index, has not.
type parameterText struct{ parameter, text string }

// MarshalJSON is how field.Error prints a value.
func (t parameterText) MarshalJSON() ([]byte, error) { return json.Marshal(t.text) }

func validateParameters(spec *mysql.MySQLInstanceSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(spec.Parameters) > maxParameters {
		errs = append(errs, field.TooMany(path, len(spec.Parameters), maxParameters))
	}
	// Without a known version, every variable in the table is one.
	version, versionErr := release.Parse(spec.Version)
	seen := map[string]bool{}
	for i, parameter := range spec.Parameters {
		path := path.Index(i)
		if seen[parameter.Name] {
			errs = append(errs, field.Duplicate(path, parameterText{parameter.Name, parameter.Name}))
			continue
		}
		seen[parameter.Name] = true
		written := validateParameterText(parameter, path)
		errs = append(errs, written...)
		if len(written) > 0 {
			continue
		}
		if versionErr == nil {
			errs = append(errs, validateVariable(parameter, &version, spec.Resources.Memory, path)...)
			continue
		}
		errs = append(errs, validateVariable(parameter, nil, spec.Resources.Memory, path)...)
	}
	return errs
}

// validateParameterText is what a schema can say as well.
func validateParameterText(parameter mysql.Parameter, path *field.Path) field.ErrorList {
	name, value := path.Child("name"), path.Child("value")
	errs := required(parameter.Name, maxParameterName, name)
	if len(errs) == 0 && !parameterName.MatchString(parameter.Name) {
		errs = append(errs, field.Invalid(name, "", "must be lower case letters, digits and underscores"))
	}
	errs = append(errs, bounded(parameter.Value, maxParameterValue, value)...)
	if !utf8.ValidString(parameter.Value) || slices.ContainsFunc([]rune(parameter.Value), isControl) {
		errs = append(errs, field.Invalid(value, "", "must be one line of text, without control characters"))
	}
	for _, err := range errs {
		text := parameter.Name
		if err.Field == value.String() {
			text = parameter.Value
		}
		err.BadValue = parameterText{parameter.Name, text}
	}
	return errs
}

// isControl is the schema's [:cntrl:], which is ASCII's.
func isControl(r rune) bool { return r <= unicode.MaxASCII && unicode.IsControl(r) }

func validateVariable(parameter mysql.Parameter, version *release.Version, memory *resource.Quantity,
	path *field.Path) field.ErrorList {
	invalid := func(child, text, detail string) field.ErrorList {
		return field.ErrorList{field.Invalid(path.Child(child), parameterText{parameter.Name, text}, detail)}
	}
	variable, known := sysvar.Lookup(parameter.Name)
	switch {
	case !known:
		return invalid("name", parameter.Name, "is no system variable that this API knows")
	case variable.Owned != "":
		err := field.Forbidden(path.Child("name"), "is set by the controller: "+variable.Owned)
		err.BadValue = parameterText{parameter.Name, parameter.Name}
		return field.ErrorList{err}
	case version != nil && !variable.In(*version):
		return invalid("name", parameter.Name, fmt.Sprintf("is no system variable of MySQL %s", version))
	}
	if err := variable.Check(parameter.Value); err != nil {
		return invalid("value", parameter.Value, err.Error())
	}
	if parameter.Name == bufferPoolSize && memory != nil && !fits(parameter.Value, *memory) {
		return invalid("value", parameter.Value, fmt.Sprintf("must fit into the memory of %s", printed(*memory)))
	}
	return nil
}

// fits compares bytes that an option file asks for with a quantity of memory.
func fits(value string, memory resource.Quantity) bool {
	asked, err := sysvar.ParseBytes(value)
	return err == nil && asked <= math.MaxInt64 && memory.CmpInt64(int64(asked)) >= 0
}
