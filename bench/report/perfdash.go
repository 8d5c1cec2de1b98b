package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// perfData is the format of kubernetes/perf-tests' perf-dash, version v1: a list of items, each some numbers of one unit
// under some labels.
type perfData struct {
	Version   string            `json:"version"`
	DataItems []perfItem        `json:"dataItems"`
	Labels    map[string]string `json:"labels,omitempty"`
}

type perfItem struct {
	Data   map[string]float64 `json:"data"`
	Unit   string             `json:"unit"`
	Labels map[string]string  `json:"labels,omitempty"`
}

// WritePerfDash writes the distributions for perf-dash: an item for each scenario and arm, all rounds together, in
// milliseconds.
func WritePerfDash(w io.Writer, run Run) error {
	data := perfData{Version: "v1", DataItems: []perfItem{}, Labels: map[string]string{
		"run": run.Card.ID, "kubernetes": run.Card.Versions["Kubernetes"], "profile": run.Bench.Profile.Name,
	}}
	const millisecond = 1e6
	for _, s := range run.Bench.Summaries {
		if s.Pooled.Count == 0 {
			continue
		}
		data.DataItems = append(data.DataItems, perfItem{
			Data: map[string]float64{
				"Perc50": float64(s.Pooled.P50) / millisecond, "Perc90": float64(s.Pooled.P90) / millisecond,
				"Perc99": float64(s.Pooled.P99) / millisecond,
			},
			Unit: "ms", Labels: map[string]string{"Scenario": s.Scenario, "Arm": s.Arm, "Count": fmt.Sprint(s.Pooled.Count)},
		})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(data); err != nil {
		return fmt.Errorf("could not write the perf-dash data: %w", err)
	}
	return nil
}
