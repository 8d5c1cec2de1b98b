package main

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

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

// TestNoLimitOnRequests: a burst of instances waits for the API server's fairness, and for nothing on this side.
func TestNoLimitOnRequests(t *testing.T) {
	tests := map[string]struct {
		args      []string
		wantLimit bool
	}{
		"by default":     {},
		"when asked for": {args: []string{"--kube-api-qps=50"}, wantLimit: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var limiter flowcontrol.RateLimiter
			command := newCommand(func(_ context.Context, o *options) error {
				cluster := &rest.Config{Host: "https://127.0.0.1", ContentConfig: rest.ContentConfig{
					GroupVersion: &v1.SchemeGroupVersion, NegotiatedSerializer: clientgoscheme.Codecs,
				}}
				o.configure(cluster)
				client, err := rest.RESTClientFor(cluster)
				if err != nil {
					return err
				}
				limiter = client.GetRateLimiter()
				return nil
			})
			command.SetArgs(test.args)
			if err := command.ExecuteContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := limiter != nil; got != test.wantLimit {
				t.Errorf("limited: %v, want %v", got, test.wantLimit)
			}
		})
	}
}
