package behaviour

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/duet-api/duet/e2e/wire"
)

// samples are a server's metrics at one moment.
type samples map[string]*dto.MetricFamily

// scrape reads a server's metrics at its own port, as the administrator. The exchange is not recorded: it is long, and
// what matters of it is noted.
func (s *Subject) scrape(ctx context.Context, from server) (samples, error) {
	client, err := from.as(s.Site.Config())
	if err != nil {
		return nil, err
	}
	answer, err := client.Send(ctx, "GET", "/metrics", nil, wire.Accept("text/plain"))
	if err != nil {
		return nil, err
	}
	if !answer.OK() {
		return nil, fmt.Errorf("could not read the metrics of %s: %s", from.name(), answer.Verdict())
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(answer.Body))
	if err != nil {
		return nil, fmt.Errorf("could not read the metrics of %s: %w", from.name(), err)
	}
	return families, nil
}

// labels that a series must have, among others.
type labels map[string]string

// sum adds up the series of a metric with these labels: counters and gauges by value, histograms by count. There says
// whether there is any such series.
func (m samples) sum(name string, want labels) (total float64, there bool) {
	for _, metric := range m[name].GetMetric() {
		has := map[string]string{}
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

// count scrapes one metric of a server, and notes it as evidence.
func (s *Subject) count(ctx context.Context, from server, metric string, want labels) (float64, bool, error) {
	seen, err := s.scrape(ctx, from)
	if err != nil {
		return 0, false, err
	}
	total, there := seen.sum(metric, want)
	s.recorder.Note(from.name()+" /metrics", fmt.Sprintf("%s%v = %v (found: %t)", metric, map[string]string(want), total, there))
	return total, there, nil
}
