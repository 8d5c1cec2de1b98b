package e2e_test

import (
	"context"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/mutation"
)

// noticedWithin is how long a row may wait for what a broken server never sends. A sound server takes a second or two.
const noticedWithin = 15 * time.Second

// mutationSpecs hold that the rows notice broken servers, and that it is the fault which they notice.
func mutationSpecs(s *site) {
	Context("mutations", Label("mutation"), func() {
		var sound map[string]behaviour.Result
		broken := make([]behaviour.Result, len(mutation.All))

		BeforeAll(func(ctx context.Context) {
			sound = map[string]behaviour.Result{}
			for _, result := range behaviour.Run(ctx, s.Subject(), noticing(), nil) {
				sound[result.ID] = result
			}
			look := func(i int) {
				ctx, cancel := context.WithTimeout(ctx, noticedWithin)
				defer cancel()
				m := mutation.All[i]
				broken[i] = behaviour.Run(ctx, m.Break(s.Subject()), []behaviour.Row{row(m)}, nil)[0]
			}
			var together sync.WaitGroup
			for i, m := range mutation.All {
				if !row(m).Disruptive() {
					together.Go(func() { look(i) })
				}
			}
			together.Wait()
			for i, m := range mutation.All {
				if row(m).Disruptive() {
					look(i)
				}
			}
		})

		for i, m := range mutation.All {
			It(m.Row+" notices that "+m.Fault, Label(m.Row), func() {
				check(sound[m.Row])
				if sound[m.Row].NotApplicable == "" {
					Expect(broken[i].Unexpected).To(BeTrue(), "it saw %q, as of a sound server", broken[i].Observed)
				}
			})
		}
	})
}

// row that has to notice a mutation.
func row(m mutation.Mutation) behaviour.Row {
	rows := behaviour.Rows()
	return rows[slices.IndexFunc(rows, func(row behaviour.Row) bool { return row.ID == m.Row })]
}

// noticing are the rows of all mutations, each once.
func noticing() []behaviour.Row {
	var rows []behaviour.Row
	for _, row := range behaviour.Rows() {
		if slices.ContainsFunc(mutation.All, func(m mutation.Mutation) bool { return m.Row == row.ID }) {
			rows = append(rows, row)
		}
	}
	return rows
}
