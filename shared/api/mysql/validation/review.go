package validation

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/sysvar"
)

// ParameterVerdict is what the rules say of the parameters that an instance of some version would have.
type ParameterVerdict struct {
	// Refused are what the rules say against single parameters, in their order. The paths are those of an instance.
	Refused []RefusedParameter
	// NeedRestart names the accepted parameters that come into force only when a server starts.
	NeedRestart []string
}

// RefusedParameter is one error and the parameter that it is about.
type RefusedParameter struct {
	Name string
	*field.Error
}

// ReviewParameters judges parameters by the rules for instances, without an instance. Memory may be nil: then nothing is
// said about what must fit into it. What makes the question itself meaningless, such as a version that there is not, is
// returned as errors with paths below the given one, and there is no verdict then.
func ReviewParameters(version string, memory *resource.Quantity, parameters []mysql.Parameter,
	path *field.Path) (ParameterVerdict, field.ErrorList) {
	errs := validateVersion(version, path.Child("version"))
	errs = append(errs, positive(memory, path.Child("memory"))...)
	if len(parameters) > maxParameters {
		errs = append(errs, field.TooMany(path.Child("parameters"), len(parameters), maxParameters))
	}
	if len(errs) > 0 {
		return ParameterVerdict{}, errs
	}
	spec := &mysql.MySQLInstanceSpec{Version: version, Parameters: parameters,
		Resources: mysql.Resources{Memory: memory}}
	var verdict ParameterVerdict
	for _, err := range validateParameters(spec, specPath.Child("parameters")) {
		name := ""
		if text, ok := err.BadValue.(parameterText); ok {
			name = text.parameter
		}
		verdict.Refused = append(verdict.Refused, RefusedParameter{Name: name, Error: err})
	}
	for _, parameter := range parameters {
		variable, known := sysvar.Lookup(parameter.Name)
		refused := slices.ContainsFunc(verdict.Refused, func(r RefusedParameter) bool { return r.Name == parameter.Name })
		if known && variable.Static && !refused {
			verdict.NeedRestart = append(verdict.NeedRestart, parameter.Name)
		}
	}
	return verdict, nil
}
