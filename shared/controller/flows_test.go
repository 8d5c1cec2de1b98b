package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/duet-api/duet/shared/api/mysql/release"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// at sets the reconciler's clock.
func (c *cluster) at(now time.Time) { c.reconciler.Clock = clocktesting.NewFakePassiveClock(now) }

// TestUpgradeThroughTheWindow: nothing happens before, everything within, replicas before the primary.
func TestUpgradeThroughTheWindow(t *testing.T) {
	c := newCluster(newWorld(t, newInstance(two, closed)))
	c.change(func(i *v1.MySQLInstance) { i.Spec.Version = "8.4.4" })
	c.run()
	if len(c.started) > 0 || c.instance().Status.CurrentVersion != "8.4.3" {
		t.Fatalf("servers were restarted before the window: %v", c.started)
	}
	if got := c.condition(v1.ConditionReady); got != "True Serving" {
		t.Errorf("Ready is %s: an instance that waits for its window is as its owner wants it", got)
	}
	result, err := c.reconcile()
	if err != nil {
		t.Fatal(err)
	}
	opens := testTime.Add(result.RequeueAfter)
	if want := time.Date(2026, time.March, 3, 3, 0, 0, 0, time.UTC); !opens.Equal(want) {
		t.Fatalf("looks again at %s, want %s, when the window opens", opens, want)
	}
	c.at(opens)
	for _, want := range []string{"True Updating", "False Settled"} {
		if _, err := c.reconcile(); err != nil {
			t.Fatal(err)
		}
		c.step()
		c.settle()
		if got := c.condition(v1.ConditionProgressing); got != want {
			t.Errorf("Progressing is %s, want %s after %v", got, want, c.started)
		}
		// The window closes while the first server is replaced: what has begun goes on.
		c.at(opens.Add(2 * time.Hour))
	}
	if diff := cmp.Diff([]string{"db-1 8.4.4", "db-0 8.4.4"}, c.started); diff != "" {
		t.Errorf("servers that were started (-want +got):\n%s", diff)
	}
	if got := c.instance().Status.CurrentVersion; got != "8.4.4" {
		t.Errorf("currentVersion is %s", got)
	}
	c.change(func(i *v1.MySQLInstance) { i.Spec.Version = "8.4.5" })
	c.run()
	if len(c.started) > 2 {
		t.Errorf("the next change did not wait for the next window: %v", c.started)
	}
}

// TestNeverThreeSeries moves the spec on while an upgrade is under way, and looks at every state on the way.
func TestNeverThreeSeries(t *testing.T) {
	c := newCluster(newWorld(t, newInstance(two, func(i *v1.MySQLInstance) { i.Spec.Version = "8.0.36" })))
	c.change(func(i *v1.MySQLInstance) { i.Spec.Version = "8.4.3" })
	for len(c.started) == 0 {
		if _, err := c.reconcile(); err != nil {
			t.Fatal(err)
		}
		c.step()
	}
	c.change(func(i *v1.MySQLInstance) { i.Spec.Version = "9.1.0" })
	c.run(func() {
		var series []string
		for _, pod := range c.pods() {
			version, err := release.Parse(imageVersion(&pod).String())
			if err != nil {
				t.Fatal(err)
			}
			series = append(series, version.Series().Name)
		}
		if slices.Contains(series, "8.0") && slices.Contains(series, "9.x") {
			t.Errorf("servers of %v at once", series)
		}
	})
	want := []string{"db-1 8.4.3", "db-0 8.4.3", "db-1 9.1.0", "db-0 9.1.0"}
	if diff := cmp.Diff(want, c.started); diff != "" {
		t.Errorf("servers that were started (-want +got):\n%s", diff)
	}
}

// TestASeriesIsNotSkippedWhileNobodyLooked, nor while the servers are stopped.
func TestASeriesIsNotSkippedWhileNobodyLooked(t *testing.T) {
	c := newCluster(newWorld(t, newInstance(func(i *v1.MySQLInstance) { i.Spec.Version = "8.0.36" })))
	c.change(stopped)
	c.run()
	c.change(func(i *v1.MySQLInstance) { i.Spec.Version = "9.1.0" })
	c.run()
	if got := c.condition(v1.ConditionConfigurationApplied); got != "False VersionNotAsked" {
		t.Errorf("ConfigurationApplied is %s, while 9.1.0 is still to come", got)
	}
	c.change(func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerRunning })
	c.run()
	if diff := cmp.Diff([]string{"db-0 " + release.All[1].Newest, "db-0 9.1.0"}, c.started); diff != "" {
		t.Errorf("servers that were started (-want +got):\n%s", diff)
	}
}

// TestEachRestartOnce: the annotation of `kubectl annotate` restarts every server once for each value.
func TestEachRestartOnce(t *testing.T) {
	c := newCluster(newWorld(t, newInstance(two)))
	for _, value := range []string{"2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"} {
		c.change(func(i *v1.MySQLInstance) { i.Annotations = map[string]string{v1.AnnotationRestartedAt: value} })
		c.run()
	}
	c.change(func(i *v1.MySQLInstance) { i.Annotations = nil })
	c.run()
	if diff := cmp.Diff([]string{"db-1 8.4.3", "db-0 8.4.3", "db-1 8.4.3", "db-0 8.4.3"}, c.started); diff != "" {
		t.Errorf("servers that were started (-want +got):\n%s", diff)
	}
}

// TestForeignChangesWhileAChangeWaits are undone, and do not bring the change forward.
func TestForeignChangesWhileAChangeWaits(t *testing.T) {
	tests := map[string]func(*cluster){
		"of the pod template": func(c *cluster) {
			meddle(c.world, &appsv1.StatefulSet{}, "db", func(o *appsv1.StatefulSet) {
				o.Spec.Template.Spec.Containers[0].Image = "mysql:9.9.9"
			})
		},
		"of the record": func(c *cluster) {
			meddle(c.world, &corev1.ConfigMap{}, "db-config", func(o *corev1.ConfigMap) {
				o.Annotations[annotationRollout] = strings.ReplaceAll(o.Annotations[annotationRollout], "8.4.3", "8.0.36")
			})
		},
		"of the ConfigMap, which is gone": func(c *cluster) {
			config := &corev1.ConfigMap{}
			c.get(config, "db-config")
			c.must(c.server.Delete(c.t.Context(), config))
		},
		"of the StatefulSet, which is gone": func(c *cluster) {
			set := &appsv1.StatefulSet{}
			c.get(set, "db")
			c.must(c.server.Delete(c.t.Context(), set))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(newWorld(t, newInstance(closed)))
			c.change(func(i *v1.MySQLInstance) { i.Spec.Version = "8.4.4" })
			c.run()
			want := templateOf(c)
			change(c)
			c.settle()
			if diff := cmp.Diff(want, templateOf(c), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the pod template is not as before (-want +got):\n%s", diff)
			}
			c.run()
			if len(c.started) > 0 {
				t.Errorf("servers were restarted: %v", c.started)
			}
			if got := c.condition(v1.ConditionConfigurationApplied); got != "False WaitingForMaintenanceWindow" {
				t.Errorf("ConfigurationApplied is %s", got)
			}
		})
	}
}

func templateOf(c *cluster) corev1.PodTemplateSpec {
	set := &appsv1.StatefulSet{}
	c.get(set, "db")
	return set.Spec.Template
}

// TestFailureAtAnyWriteOfAFlow fails each write of what takes many passes once, before it is done and after, and wants
// the same end, and the same servers started on the way.
func TestFailureAtAnyWriteOfAFlow(t *testing.T) {
	tests := map[string]struct {
		before []func(*v1.MySQLInstance)
		change func(*v1.MySQLInstance)
		now    time.Time
	}{
		"growing while a change waits": {
			before: []func(*v1.MySQLInstance){two, closed},
			change: func(i *v1.MySQLInstance) { twentyGi(i); i.Spec.Version = "8.4.4" },
		},
		"upgrading in the window, and growing": {
			before: []func(*v1.MySQLInstance){two, closed},
			change: func(i *v1.MySQLInstance) { twentyGi(i); i.Spec.Version = "8.4.4" },
			now:    time.Date(2026, time.March, 3, 3, 0, 0, 0, time.UTC),
		},
		"upgrading over two series": {
			before: []func(*v1.MySQLInstance){two, func(i *v1.MySQLInstance) { i.Spec.Version = "8.0.36" }},
			change: func(i *v1.MySQLInstance) { i.Spec.Version = "9.1.0" },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			begin := func() *cluster {
				c := newCluster(newWorld(t, newInstance(test.before...)))
				if !test.now.IsZero() {
					c.at(test.now)
				}
				c.change(test.change)
				return c
			}
			undisturbed := begin()
			writes := 0
			undisturbed.after = func(string) error { writes++; return nil }
			undisturbed.run()
			want := undisturbed.snapshot()
			for i := range writes {
				for _, done := range []bool{false, true} {
					c := begin()
					count, failed := 0, ""
					fail := func(write string) error {
						if count++; count == i+1 {
							failed = write
							return errors.New("the connection was lost")
						}
						return nil
					}
					if done {
						c.after = fail
					} else {
						c.before = fail
					}
					c.run()
					at := fmt.Sprintf("write %d, %s, done %v", i, failed, done)
					if failed == "" {
						t.Fatalf("%s was never reached", at)
					}
					// A state that no pass saw is in no condition's time.
					diff := cmp.Diff(want, c.snapshot(), cmpopts.EquateEmpty(), cmpopts.IgnoreTypes(metav1.Time{}))
					if diff != "" {
						t.Errorf("%s: ends otherwise than without a failure (-want +got):\n%s", at, diff)
					}
					if diff := cmp.Diff(undisturbed.started, c.started); diff != "" {
						t.Errorf("%s: other servers were started (-want +got):\n%s", at, diff)
					}
				}
			}
		})
	}
}
