package scenario

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// scaled are the same operations with more objects in the namespace. Each population is a stage of its own: while it is there the
// servers hold it in memory, which the report shows beside the times.
// A list of everything is not among those of the largest: it is hundreds of megabytes.
func scaled() []Scenario {
	var out []Scenario
	for _, size := range []struct {
		short, number string
		level         Level
		population    Population
		whole         bool
	}{
		{"1k", "1,000", Full, Thousand, true},
		{"10k", "10,000", Standard, TenThousand, true},
		{"100k", "100,000", Full, HundredThousand, false},
	} {
		p, among := size.population, " of "+size.number+" objects"
		out = append(out, Scenario{
			Name: "get-of-" + size.short, Title: "Get, any name" + among,
			Why:   "Finding one of many: it should not depend on how many there are.",
			Level: size.level, Loop: load.Closed{Workers: 1}, Population: p, Needs: arm.Keep, Length: 1,
			Start: startGets(get, anyMember),
		}, Scenario{
			Name: "page-of-" + size.short, Title: "List the first 500" + among,
			Why:   "A page as kubectl asks for it: what is not on it should cost nothing.",
			Level: size.level, Loop: load.Closed{Workers: 1}, Population: p, Needs: arm.ServeAPI, Length: 2,
			Start: startList(asked(firstOf), func(s *Subject, answer []byte) error {
				_, items, err := s.Client.Items(answer)
				if err == nil && len(items) != firstPage {
					err = fmt.Errorf("the page has %d objects instead of %d", len(items), firstPage)
				}
				return err
			}),
		}, Scenario{
			Name: "create-beside-" + size.short, Title: "Create, beside " + size.number + " objects",
			Why:   "A write into a large collection: etcd's index and the watch cache are larger.",
			Level: size.level, Loop: load.Closed{Workers: 1}, Population: p, Needs: arm.Keep, Length: 1, Start: startCreate,
		})
		if size.whole {
			out = append(out, Scenario{
				Name: "list-of-" + size.short, Title: "List " + size.number + " objects",
				Why:   "What an informer without WatchList begins with: time and memory grow with the number.",
				Level: Full, Loop: load.Times{Count: 1}, Population: p, Needs: arm.Keep,
				Takes: time.Duration(p.Objects) * 200 * time.Microsecond, Start: startList(listAll, population),
			})
		}
	}
	return out
}

// firstPage is the size of kubectl's pages.
const firstPage = 500

// firstOf asks for the first page of the population.
func firstOf(s *Subject) arm.Request {
	return arm.Request{
		Verb: http.MethodGet, Namespace: s.Arm.Namespace, Query: url.Values{"limit": {strconv.Itoa(firstPage)}},
	}
}
