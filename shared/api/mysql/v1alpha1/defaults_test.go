package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql/fuzzer"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

func TestRetentionFollowsTheSchedule(t *testing.T) {
	tests := map[string]struct {
		schedule  string
		retention *int32
		want      *int32
	}{
		"a schedule that leaves it out":          {"@daily", nil, ptr.To[int32](7)},
		"a schedule that has one":                {"@daily", ptr.To[int32](1), ptr.To[int32](1)},
		"a schedule with zero":                   {"@daily", ptr.To[int32](0), ptr.To[int32](0)},
		"none":                                   {"", nil, nil},
		"the default of a schedule that is gone": {"", ptr.To[int32](7), nil},
		"another one is its author's mistake":    {"", ptr.To[int32](14), ptr.To[int32](14)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.MySQLInstance{Spec: v1alpha1.MySQLInstanceSpec{
				BackupSchedule: tc.schedule, BackupRetentionDays: tc.retention,
			}}
			v1alpha1.SetObjectDefaults_MySQLInstance(in)
			if diff := cmp.Diff(tc.want, in.Spec.BackupRetentionDays); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDefaultsOfBothVersionsAgree: what a v1alpha1 client leaves out is what a v1 client gets who leaves it out. After
// v1alpha1's defaults and conversion, v1's defaults find nothing to do.
func TestDefaultsOfBothVersionsAgree(t *testing.T) {
	fill := fuzzer.New(seed, newScheme())
	for i := range objects {
		spoke := &v1alpha1.MySQLInstance{}
		if i > 0 {
			fill.Fill(spoke)
		}
		v1alpha1.SetObjectDefaults_MySQLInstance(spoke)
		hub := toHub(t, spoke)
		var converted v1.MySQLInstance
		if err := v1.Convert_mysql_MySQLInstance_To_v1_MySQLInstance(hub, &converted, nil); err != nil {
			t.Fatal(err)
		}
		defaulted := converted.DeepCopy()
		v1.SetObjectDefaults_MySQLInstance(defaulted)
		if !apiequality.Semantic.DeepEqual(&converted, defaulted) {
			t.Fatalf("object %d (-v1alpha1's defaults +v1's):\n%s", i, cmp.Diff(&converted, defaulted))
		}
		if i == 0 {
			empty := &v1.MySQLInstance{}
			v1.SetObjectDefaults_MySQLInstance(empty)
			mustEqual(t, i, empty, &converted)
		}
	}
}
