package scenario

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Lists of a part of the objects.
var (
	listPages = Scenario{
		Name:  "list-pages",
		Title: "List 500 objects in pages of 100",
		Why: "As kubectl and old informers list, five requests one after the other: the later pages have to come from " +
			"where the first one stood, and each pays for the hop.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 2,
		Start: startListPages,
	}
	listLabel = Scenario{
		Name:  "list-label",
		Title: "List 5 of 500 objects, by label",
		Why:   "Every object is looked at and one in a hundred is encoded: the price of looking.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 1,
		Start: startList(asked(func(*Subject) arm.Request {
			return arm.Request{Query: url.Values{"labelSelector": {arm.SetSelector(hundredth(aMember))}}}
		}), selected(func(_ *Subject, i int) bool { return hundredth(i) == hundredth(aMember) })),
	}
	listField = Scenario{
		Name:  "list-field",
		Title: "List a third of 500 objects, by a field",
		Why: "The field of a custom resource is found by a path in a map, that of a typed one by a function; one in three " +
			"is encoded.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Kind: (*arm.Kind).HasField,
		Length: 1,
		Start: startList(asked(func(s *Subject) arm.Request {
			return arm.Request{Query: url.Values{"fieldSelector": {s.Arm.Kind.Field}}}
		}), selected(func(s *Subject, i int) bool { return s.Arm.Kind.Selects(i) })),
	}
)

// aMember is whose set the label selector is for: any one.
const aMember = 7

// selected checks that a list is of those objects of the population that it should be of.
func selected(wanted func(s *Subject, i int) bool) func(*Subject, []byte) error {
	return func(s *Subject, list []byte) error {
		_, items, err := s.Client.Items(list)
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for i := range s.Population.Objects {
			if wanted(s, i) {
				names[Member(i)] = true
			}
		}
		for _, item := range items {
			if !names[item.Name] {
				return errors.New("the list has objects that were not selected")
			}
		}
		return checkMembers(items, len(names))
	}
}

// pageSize is the limit of each page. kubectl's is 500; with it the population would be one page.
const pageSize = 100

// errPages is a list that did not come in pages.
var errPages = errors.New("the list did not come in pages")

func startListPages(ctx context.Context, s *Subject, cell Cell) (load.Op, func() error, error) {
	answers := make([]bytes.Buffer, cell.Workers)
	var items []arm.Meta
	size := 0
	_, err := s.pages(ctx, &answers[0], func(page []byte) error {
		_, on, err := s.Client.Items(page)
		items, size = append(items, on...), size+len(page)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if err := checkMembers(items, s.Population.Objects); err != nil {
		return nil, nil, err
	}
	least := leastOf(size)
	op := func(ctx context.Context, call load.Call) (time.Time, error) {
		size := 0
		done, err := s.pages(ctx, &answers[call.Worker], func(page []byte) error {
			size += len(page)
			return nil
		})
		if err == nil && size < least {
			err = errShort
		}
		return done, err
	}
	return op, nil, nil
}

// pages reads the population page by page, and returns when the last one was there.
func (s *Subject) pages(ctx context.Context, answer *bytes.Buffer, visit func(page []byte) error) (time.Time, error) {
	token := ""
	for n := 1; ; n++ {
		query := url.Values{"limit": {strconv.Itoa(pageSize)}}
		if token != "" {
			query.Set("continue", token)
		}
		done, err := asked(func(*Subject) arm.Request { return arm.Request{Query: query} })(ctx, s, answer)
		if err != nil {
			return time.Time{}, err
		}
		if token, err = s.api().Continue(answer.Bytes()); err != nil {
			return time.Time{}, err
		}
		if err := visit(answer.Bytes()); err != nil {
			return time.Time{}, err
		}
		if token != "" {
			continue
		}
		if n < s.Population.Objects/pageSize {
			return time.Time{}, errPages
		}
		return done, nil
	}
}
