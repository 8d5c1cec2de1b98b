package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller"
)

// TestRules tries what a CRD's schema lets through: the controller must not act on it.
func TestRules(t *testing.T) {
	tests := map[string]struct {
		change     func(*v1.MySQLInstance)
		wantFields []string
	}{
		"valid": {change: func(*v1.MySQLInstance) {}},
		"a parameter of the controller": {
			change: func(i *v1.MySQLInstance) {
				i.Spec.Parameters = []v1.Parameter{{Name: "datadir", Value: "/tmp"}}
			},
			wantFields: []string{"spec.parameters[0].name"},
		},
		"a schedule that is none": {
			change: func(i *v1.MySQLInstance) {
				i.Spec.Backup = &v1.Backup{Schedule: "at night", Storage: i.Spec.Storage}
			},
			wantFields: []string{"spec.backup.schedule"},
		},
	}
	validate := rules(controller.NewScheme())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			instance := &v1.MySQLInstance{
				ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "shop"},
				Spec: v1.MySQLInstanceSpec{
					Version: "8.4.3", Storage: v1.Storage{VolumeSize: resource.MustParse("10Gi")},
				},
			}
			test.change(instance)
			v1.SetObjectDefaults_MySQLInstance(instance)
			var got []string
			for _, err := range validate(instance) {
				got = append(got, err.Field)
			}
			if diff := cmp.Diff(test.wantFields, got); diff != "" {
				t.Errorf("refused fields (-want +got):\n%s", diff)
			}
		})
	}
}
