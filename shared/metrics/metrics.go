// Package metrics reads what servers say of themselves at /metrics. A switch has to know when kube-apiserver has filled its
// caches, the behaviour rows count requests, and the benchmark reads memory and processor time: of the same text.
package metrics

import (
	"fmt"
	"io"
	"maps"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Samples are a server's metrics at one moment, by name.
type Samples map[string]*dto.MetricFamily

// Labels that a series must have, among others.
type Labels map[string]string

// Read reads metrics in the text format of Prometheus.
func Read(text io.Reader) (Samples, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("could not read metrics: %w", err)
	}
	return families, nil
}

// Sum adds up the series of a metric with these labels: counters and gauges by value, histograms by count. There says
// whether there is any such series.
func (s Samples) Sum(name string, want Labels) (total float64, there bool) {
	for _, metric := range s[name].GetMetric() {
		has := Labels{}
		for _, label := range metric.GetLabel() {
			if _, asked := want[label.GetName()]; asked {
				has[label.GetName()] = label.GetValue()
			}
		}
		if !maps.Equal(has, want) {
			continue
		}
		there = true
		total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + metric.GetUntyped().GetValue() +
			float64(metric.GetHistogram().GetSampleCount())
	}
	return total, there
}
