package compare

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/duet-api/duet/bench/report"
)

// Interrupted is a run that can go on.
type Interrupted struct {
	// Run as it was written, and the directory where.
	Run report.Run
	Dir string
}

// open is the run that is added to, and its directory: a new one, or one that goes on.
func (o Options) open(now time.Time) (report.Run, string, error) {
	card := report.NewCard(now, o.Command, o.Flags)
	return o.openWith(card)
}

func (o Options) openWith(card report.Card) (report.Run, string, error) {
	run, path := report.Run{Schema: report.Schema, Card: card}, filepath.Join(o.Out, card.ID)
	if o.Resume != nil {
		if changed := o.Resume.Run.Card.Changes(card); len(changed) > 0 {
			return run, "", fmt.Errorf("could not go on with run %s: %s. Start a new one", o.Resume.Run.Card.ID, strings.Join(changed, "; "))
		}
		run, path = o.Resume.Run, o.Resume.Dir
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return run, "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return run, "", fmt.Errorf("could not create the run's directory: %w", err)
	}
	return run, dir, nil
}

// earlier is what was measured before; nil for a new run.
func (o Options) earlier() *report.Bench {
	if o.Resume == nil {
		return nil
	}
	return o.Resume.Run.Bench
}

// planesDir gets a directory for each control plane. A run that goes on has fresh ones, and keeps the logs of the others.
func (c *comparison) planesDir() string {
	if c.Resume == nil {
		return c.dir
	}
	return filepath.Join(c.dir, fmt.Sprintf("resumed-%d", len(c.Resume.Run.Bench.Resumptions)+1))
}
