package behaviour

import (
	"bytes"
	"context"
	"fmt"

	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/metrics"
)

// labels that a series must have, among others.
type labels = metrics.Labels

// scrape reads a server's metrics at its own port, as the administrator. The exchange is not recorded: it is long, and
// what matters of it is noted.
func (s *Subject) scrape(ctx context.Context, from server) (metrics.Samples, error) {
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
	samples, err := metrics.Read(bytes.NewReader(answer.Body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.name(), err)
	}
	return samples, nil
}

// count scrapes one metric of a server, and notes it as evidence.
func (s *Subject) count(ctx context.Context, from server, metric string, want labels) (float64, bool, error) {
	seen, err := s.scrape(ctx, from)
	if err != nil {
		return 0, false, err
	}
	total, there := seen.Sum(metric, want)
	s.recorder.Note(from.name()+" /metrics", fmt.Sprintf("%s%v = %v (found: %t)", metric, map[string]string(want), total, there))
	return total, there, nil
}
