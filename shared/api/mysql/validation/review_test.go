package validation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
)

func TestReviewParameters(t *testing.T) {
	const anyVersion = "8.4.5"
	gibibyte := ptr.To(resource.MustParse("1Gi"))
	tests := map[string]struct {
		version    string
		memory     *resource.Quantity
		parameters []mysql.Parameter
		// wantRefused are the name, the reason and a part of the message.
		wantRefused     [][3]string
		wantNeedRestart []string
		// wantErrs are the fields that make the question meaningless.
		wantErrs []string
	}{
		"nothing": {version: anyVersion},
		"good ones": {
			version:         anyVersion,
			parameters:      []mysql.Parameter{{Name: "max_connections", Value: "100"}, {Name: "back_log", Value: "80"}},
			wantNeedRestart: []string{"back_log"},
		},
		"one of each kind": {
			version: anyVersion,
			parameters: []mysql.Parameter{
				{Name: "max_connections", Value: "many"},
				{Name: "datadir", Value: "/tmp"},
				{Name: "no_such_thing", Value: "1"},
				{Name: "Max Connections", Value: "1"},
				{Name: "back_log", Value: "80"},
				{Name: "back_log", Value: "90"},
				{Name: "", Value: "1"},
			},
			wantRefused: [][3]string{
				{"max_connections", "FieldValueInvalid", "must be an integer from 1 to 100000"},
				{"datadir", "FieldValueForbidden", "is set by the controller"},
				{"no_such_thing", "FieldValueInvalid", "is no system variable"},
				{"Max Connections", "FieldValueInvalid", "must be lower case letters"},
				{"back_log", "FieldValueDuplicate", "Duplicate value"},
				{"", "FieldValueRequired", "Required value"},
			},
		},
		"a variable of a later version": {
			version:     "8.0.40",
			parameters:  []mysql.Parameter{{Name: "restrict_fk_on_non_standard_key", Value: "ON"}},
			wantRefused: [][3]string{{"restrict_fk_on_non_standard_key", "FieldValueInvalid", "of MySQL 8.0.40"}},
		},
		"what does not fit": {
			version: anyVersion, memory: gibibyte,
			parameters:  []mysql.Parameter{{Name: bufferPoolSize, Value: "2G"}},
			wantRefused: [][3]string{{bufferPoolSize, "FieldValueInvalid", "must fit into the memory of 1Gi"}},
		},
		"what may fit":        {version: anyVersion, parameters: []mysql.Parameter{{Name: bufferPoolSize, Value: "2G"}}},
		"no version":          {wantErrs: []string{"spec.version"}},
		"no such version":     {version: "5.7.44", wantErrs: []string{"spec.version"}},
		"no memory at all":    {version: anyVersion, memory: ptr.To(resource.MustParse("0")), wantErrs: []string{"spec.memory"}},
		"too many parameters": {version: anyVersion, parameters: make([]mysql.Parameter, 129), wantErrs: []string{"spec.parameters"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			verdict, errs := ReviewParameters(test.version, test.memory, test.parameters, field.NewPath("spec"))
			var fields []string
			for _, err := range errs {
				fields = append(fields, err.Field)
			}
			if diff := cmp.Diff(test.wantErrs, fields); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			var refused [][3]string
			for i, r := range verdict.Refused {
				message := r.ErrorBody()
				if i < len(test.wantRefused) && strings.Contains(message, test.wantRefused[i][2]) {
					message = test.wantRefused[i][2]
				}
				refused = append(refused, [3]string{r.Name, string(r.Type), message})
			}
			if diff := cmp.Diff(test.wantRefused, refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantNeedRestart, verdict.NeedRestart); diff != "" {
				t.Errorf("need a restart (-want +got):\n%s", diff)
			}
		})
	}
}
