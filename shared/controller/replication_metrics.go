package controller

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Labels of the series of one replica. They go with the replica: see observeServers and forgetServers.
const (
	metricNamespace = "namespace"
	metricInstance  = "instance"
	metricPod       = "pod"
)

func (m *Metrics) addReplication() {
	replica := []string{metricNamespace, metricInstance, metricPod}
	m.lag = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "duet_controller_replication_lag_seconds",
		Help: "How far a replica is behind its primary; no series while it cannot say.",
	}, replica)
	m.healthy = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "duet_controller_replica_healthy",
		Help: "1 if a replica follows its primary closely enough to serve reads, 0 if not; no series while nobody knows.",
	}, replica)
	m.repairs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "duet_controller_replication_steps_total",
		Help: "Steps taken to set replication up or repair it, by step and outcome (done, failed).",
	}, []string{"step", "outcome"})
}

func (m *Metrics) repaired(done step, err error) {
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	m.repairs.WithLabelValues(string(done), outcome).Inc()
}

// observeServers replaces the series of an instance.
func (m *Metrics) observeServers(instance *v1.MySQLInstance, servers map[int]*server) {
	m.forgetServers(client.ObjectKeyFromObject(instance))
	for _, s := range servers {
		if !s.judged {
			continue
		}
		healthy := 0.0
		if s.verdict.reason == "" {
			healthy = 1
		}
		m.healthy.WithLabelValues(instance.Namespace, instance.Name, s.pod.Name).Set(healthy)
		if source := s.state.Source; source != nil && source.Behind != nil {
			m.lag.WithLabelValues(instance.Namespace, instance.Name, s.pod.Name).Set(source.Behind.Seconds())
		}
	}
}

func (m *Metrics) forgetServers(instance types.NamespacedName) {
	labels := prometheus.Labels{metricNamespace: instance.Namespace, metricInstance: instance.Name}
	m.lag.DeletePartialMatch(labels)
	m.healthy.DeletePartialMatch(labels)
}

// forgetServers of an instance that is gone.
func (r *Reconciler) forgetServers(instance types.NamespacedName) {
	r.memories.keep(instance, nil)
	r.Metrics.forgetServers(instance)
}
