package controller

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Metrics are the controller's own; the library adds those of the queue, the reconciles and the clients.
type Metrics struct {
	children *prometheus.CounterVec
	volumes  *prometheus.CounterVec
	lag      *prometheus.GaugeVec
	healthy  *prometheus.GaugeVec
	repairs  *prometheus.CounterVec
}

// NewMetrics registers the metrics. It panics if they are registered already, which is a mistake in the program.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		children: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duet_controller_children_total",
			Help: "Children looked at, by kind and by what was done: applied, unchanged (no write was needed) or failed.",
		}, []string{"kind", "outcome"}),
		volumes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duet_controller_volumes_total",
			Help: "Volumes, by what was done: grown (more was asked for); or, of deleted instances, deleted or released " +
				"(an owner was taken away).",
		}, []string{"outcome"}),
	}
	m.addReplication()
	registry.MustRegister(m.children, m.volumes, m.lag, m.healthy, m.repairs)
	return m
}

func (m *Metrics) childApplied(kind string)   { m.children.WithLabelValues(kind, "applied").Inc() }
func (m *Metrics) childUnchanged(kind string) { m.children.WithLabelValues(kind, "unchanged").Inc() }
func (m *Metrics) childFailed(kind string)    { m.children.WithLabelValues(kind, "failed").Inc() }
func (m *Metrics) volumeGrown()               { m.volumes.WithLabelValues("grown").Inc() }
func (m *Metrics) volumeDeleted()             { m.volumes.WithLabelValues("deleted").Inc() }
func (m *Metrics) volumeReleased()            { m.volumes.WithLabelValues("released").Inc() }

// instanceCollector counts the instances by their conditions whenever it is scraped. A gauge that the reconciler sets
// would have to be one series for each instance, and would outlive instances that go while the controller is down.
type instanceCollector struct {
	reader client.Reader
	// serving says whether the cache can answer: asking it earlier would wait for an API that may be absent.
	serving func() bool
}

var instancesDescription = prometheus.NewDesc("duet_controller_instances",
	"MySQLInstances by condition type and status; status Unknown includes instances without the condition.",
	[]string{"condition", "status"}, nil)

func (c *instanceCollector) Describe(out chan<- *prometheus.Desc) { out <- instancesDescription }

func (c *instanceCollector) Collect(out chan<- prometheus.Metric) {
	if !c.serving() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var list v1.MySQLInstanceList
	if err := c.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		out <- prometheus.NewInvalidMetric(instancesDescription, err)
		return
	}
	for _, kind := range []string{
		v1.ConditionReady, v1.ConditionAvailable, v1.ConditionProgressing, v1.ConditionConfigurationApplied,
		v1.ConditionBackupScheduled, v1.ConditionReplicating,
	} {
		counts := map[metav1.ConditionStatus]int{metav1.ConditionTrue: 0, metav1.ConditionFalse: 0, metav1.ConditionUnknown: 0}
		for i := range list.Items {
			status := metav1.ConditionUnknown
			if found := meta.FindStatusCondition(list.Items[i].Status.Conditions, kind); found != nil {
				status = found.Status
			}
			counts[status]++
		}
		for status, count := range counts {
			out <- prometheus.MustNewConstMetric(
				instancesDescription, prometheus.GaugeValue, float64(count), kind, string(status))
		}
	}
}
