package controller

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

func TestInstanceCollector(t *testing.T) {
	ready := func(name string, status metav1.ConditionStatus) *v1.MySQLInstance {
		return newInstance(func(i *v1.MySQLInstance) {
			i.Name = name
			i.Status.Conditions = []metav1.Condition{{Type: v1.ConditionReady, Status: status}}
		})
	}
	w := newWorld(t, ready("a", "True"), ready("b", "True"), ready("c", "False"), newInstance())
	serving := false
	collector := &instanceCollector{reader: w.server, serving: func() bool { return serving }}
	if count := testutil.CollectAndCount(collector); count != 0 {
		t.Errorf("%d series before there is a cache to ask, want none", count)
	}
	serving = true
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, metric := range families[0].Metric {
		labels := []string{}
		for _, label := range metric.Label {
			labels = append(labels, label.GetValue())
		}
		got[strings.Join(labels, " ")] = metric.Gauge.GetValue()
	}
	for series, want := range map[string]float64{
		"Ready True": 2, "Ready False": 1, "Ready Unknown": 1, "Available Unknown": 4, "Available True": 0,
	} {
		if value, ok := got[series]; !ok || value != want {
			t.Errorf("%s is %v, want %v", series, value, want)
		}
	}
}

func TestChildrenAreCounted(t *testing.T) {
	w := newWorld(t, newInstance())
	registry := prometheus.NewRegistry()
	w.reconciler.Metrics = NewMetrics(registry)
	w.settle()
	applied := testutil.ToFloat64(w.reconciler.Metrics.children.WithLabelValues("Service", "applied"))
	unchanged := testutil.ToFloat64(w.reconciler.Metrics.children.WithLabelValues("Service", "unchanged"))
	if applied != 3 || unchanged < 3 {
		t.Errorf("%v Services applied and %v unchanged, want 3 and at least 3", applied, unchanged)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("the metrics break the conventions: %v, %v", problems, err)
	}
}
