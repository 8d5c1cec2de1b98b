package controller

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// TestToolsUnderstandTheStatus asks kstatus, which is how Flux, kpt and others know when to go on.
func TestToolsUnderstandTheStatus(t *testing.T) {
	tests := map[string]struct {
		before func(*v1.MySQLInstance)
		act    func(*cluster)
		want   status.Status
	}{
		"an instance that has come to rest": {want: status.CurrentStatus},
		"a spec that nobody has looked at": {
			act:  func(c *cluster) { c.change(func(i *v1.MySQLInstance) { i.Generation = 2 }) },
			want: status.InProgressStatus,
		},
		"a server that is to come": {
			act: func(c *cluster) {
				c.change(func(i *v1.MySQLInstance) { i.Generation = 2; two(i) })
				c.settle()
			},
			want: status.InProgressStatus,
		},
		"a change that waits for its window, as its owner wants it": {
			before: closed,
			act: func(c *cluster) {
				c.change(func(i *v1.MySQLInstance) { i.Generation = 2; i.Spec.Version = "8.4.4" })
				c.run()
			},
			want: status.CurrentStatus,
		},
		"an upgrade under way": {
			before: two,
			act: func(c *cluster) {
				c.change(func(i *v1.MySQLInstance) { i.Generation = 2; i.Spec.Resources.CPU = new(resource.MustParse("2")) })
				c.settle()
				c.step()
				c.settle()
			},
			want: status.InProgressStatus,
		},
		"volumes that grow": {
			act: func(c *cluster) {
				c.frozen = true
				c.change(func(i *v1.MySQLInstance) { i.Generation = 2; twentyGi(i) })
				c.run()
			},
			want: status.InProgressStatus,
		},
		"stopped": {
			act: func(c *cluster) {
				c.change(func(i *v1.MySQLInstance) { i.Generation = 2; stopped(i) })
				c.run()
			},
			// Nothing can be reached, so it is not Ready, and Ready is what kstatus asks for.
			want: status.InProgressStatus,
		},
		"on its way out": {
			act: func(c *cluster) {
				c.change(func(i *v1.MySQLInstance) { i.Finalizers = append(i.Finalizers, "example.com/hold") })
				c.must(c.server.Delete(c.t.Context(), c.instance()))
				c.settle()
			},
			want: status.TerminatingStatus,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var changes []func(*v1.MySQLInstance)
			if test.before != nil {
				changes = append(changes, test.before)
			}
			c := newCluster(newWorld(t, newInstance(changes...)))
			if test.act != nil {
				test.act(c)
			}
			instance := c.instance()
			instance.TypeMeta = metav1.TypeMeta{APIVersion: v1.SchemeGroupVersion.String(), Kind: "MySQLInstance"}
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(instance)
			if err != nil {
				t.Fatal(err)
			}
			got, err := status.Compute(&unstructured.Unstructured{Object: content})
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != test.want {
				t.Errorf("kstatus says %s (%s), want %s", got.Status, got.Message, test.want)
			}
		})
	}
}
