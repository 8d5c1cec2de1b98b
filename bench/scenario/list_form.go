package scenario

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// Lists of all objects in another form.
var (
	listMetadata = Scenario{
		Name:  "list-metadata",
		Title: "List the metadata of 500 objects",
		Why:   "As the garbage collector and other controllers list that are not interested in what the objects say.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 2,
		Start: startList(asked(func(s *Subject) arm.Request {
			return arm.Request{Accept: s.Arm.Encoding.As(metadataList)}
		}), func(s *Subject, answer []byte) error {
			if !bytes.Contains(answer, []byte(metadataList)) { // the kind is plain text in every encoding
				return errors.New("the list is not one of metadata")
			}
			return population(s, answer)
		}),
	}
	listTable = Scenario{
		Name:  "list-table",
		Title: "List 500 objects as a table",
		Why: "What kubectl asks for, in JSON on every arm: the columns of a custom resource are paths into a map, those of " +
			"a typed one are code.",
		Level: Standard, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 2,
		Start: startList(asked(func(*Subject) arm.Request { return arm.Request{Accept: arm.JSON.As("Table")} }), table),
	}
	listGzip = Scenario{
		Name:  "list-gzip",
		Title: "List 500 objects, compressed",
		Why: "As clients list that do not turn compression off: whoever encodes also compresses, and a hop passes fewer " +
			"bytes on.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 2,
		Start: startList(asked(func(*Subject) arm.Request { return arm.Request{Gzip: true} }), compressed),
	}
	watchList = Scenario{
		Name:  "watch-list",
		Title: "Watch with 500 initial events",
		Why: "How informers begin today: the objects come one by one as events, ended by a bookmark, and nobody holds the " +
			"whole list in memory.",
		Level: Full, Loop: load.Closed{Workers: 1}, Population: Small, Needs: arm.ServeAPI, Length: 2,
		Start: startList(streamed, initialEvents),
	}
)

const metadataList = "PartialObjectMetadataList"

// table checks that an answer is a table of the population.
func table(s *Subject, answer []byte) error {
	var read metav1.Table
	if err := json.Unmarshal(answer, &read); err != nil {
		return fmt.Errorf("could not read a table: %w", err)
	}
	if read.Kind != "Table" || len(read.ColumnDefinitions) == 0 {
		return fmt.Errorf("the list is no table but %q with %d columns", read.Kind, len(read.ColumnDefinitions))
	}
	items := make([]arm.Meta, len(read.Rows))
	for i, row := range read.Rows {
		if len(row.Cells) != len(read.ColumnDefinitions) {
			return fmt.Errorf("a row of the table has %d of %d cells", len(row.Cells), len(read.ColumnDefinitions))
		}
		items[i].Name = fmt.Sprint(row.Cells[0]) // every table of Kubernetes begins with the name
	}
	return checkMembers(items, s.Population.Objects)
}

// compressed checks that an answer is the population, compressed.
func compressed(s *Subject, answer []byte) error {
	reader, err := gzip.NewReader(bytes.NewReader(answer))
	if err != nil {
		return fmt.Errorf("the list is not compressed: %w", err)
	}
	list, err := io.ReadAll(reader)
	if err != nil {
		return fmt.Errorf("could not read a compressed list: %w", err)
	}
	return population(s, list)
}

// streamed reads the events with which a watch begins, up to the bookmark that ends them.
func streamed(ctx context.Context, s *Subject, answer *bytes.Buffer) (time.Time, error) {
	return asked(func(*Subject) arm.Request {
		return arm.Request{
			Query: url.Values{
				"watch": {"1"}, "sendInitialEvents": {"true"}, "allowWatchBookmarks": {"true"},
				"resourceVersionMatch": {string(metav1.ResourceVersionMatchNotOlderThan)},
			},
			Until: []byte(metav1.InitialEventsAnnotationKey),
		}
	})(ctx, s, answer)
}

// initialEvents checks that there was an event for each object. Nothing in an object says the event's type.
func initialEvents(s *Subject, answer []byte) error {
	if added := bytes.Count(answer, []byte("ADDED")); added < s.Population.Objects || added > s.Population.Objects+1 {
		return fmt.Errorf("the watch began with %d events for %d objects", added, s.Population.Objects)
	}
	return nil
}
