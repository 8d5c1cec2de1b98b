package matrix

import (
	"context"
	"io"
	"sync"

	"github.com/duet-api/duet/e2e/behaviour"
)

// Look runs rows on all subjects at once, and returns the results of the first subject, then those of the second, and
// so on. Progress receives a line for what is not as expected, and one now and then.
func Look(ctx context.Context, subjects []*behaviour.Subject, rows []behaviour.Row, progress io.Writer) []behaviour.Result {
	results := make([][]behaviour.Result, len(subjects))
	var running sync.WaitGroup
	for i, subject := range subjects {
		log := logger(progress, subject.Form)
		running.Go(func() {
			done := 0
			results[i] = behaviour.Run(ctx, subject, rows, func(result behaviour.Result) {
				done++
				switch {
				case result.Error != "":
					log("%s %s: %s", result.ID, result.Title, result.Error)
				case result.Unexpected:
					log("%s %s: expected %q, saw %q", result.ID, result.Title, result.Expected, result.Observed)
				case done%10 == 0 || done == len(rows):
					log("%d of %d", done, len(rows))
				}
			})
		})
	}
	running.Wait()
	var all []behaviour.Result
	for _, r := range results {
		all = append(all, r...)
	}
	return all
}
