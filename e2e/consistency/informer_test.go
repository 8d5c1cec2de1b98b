package consistency

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/fixture"
)

// TestInformer shows that what client-go asks for and is told is in the record, whatever it makes of it: that it lists
// after a refusal, a connection that breaks off, and one that the server ends with 410.
func TestInformer(t *testing.T) {
	event := func(kind watch.EventType, revision int, annotations string) string {
		return fmt.Sprintf(`{"type":%q,"object":{"kind":"MySQLInstance","apiVersion":"mysql.example.com/v1","metadata":`+
			`{"namespace":"ns","name":"db","uid":"u","resourceVersion":"%d","annotations":{%s}}}}`, kind, revision, annotations)
	}
	client, server := scripted(t,
		"503 {}",
		`200 {"kind":"MySQLInstanceList","apiVersion":"mysql.example.com/v1","metadata":{"resourceVersion":"9"},"items":[`+
			object7+`]}`,
		"200 "+event(watch.Modified, 10, ""),
		"200 "+event(watch.Modified, 11, "")+"{",
		`200 {"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","code":410,"reason":"Expired","message":"old"}}`,
		"200 "+event(watch.Added, 12, "")+event(watch.Bookmark, 13, `"k8s.io/initial-events-end":"true"`),
	)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server.done = cancel
	access, err := dynamic.NewForConfig(&rest.Config{Host: server.host})
	if err != nil {
		t.Fatal(err)
	}
	scope := Scope{Namespace: "ns", Selector: "a=b"}
	informer := NewInformer("informer", client.Recorder, access.Resource(fixture.GVR), scope, Reader{})
	synced := make(chan bool, 1)
	informer.Run(ctx, func() { synced <- true })
	if !<-synced {
		t.Error("it is not synced")
	}
	cached, err := informer.Cached()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[Object]int64{{"ns", "db"}: 12}, cached); diff != "" {
		t.Errorf("the cache (-want +got):\n%s", diff)
	}
	if first := client.Recorder.History().Operations[0]; first.Verb != Watch || first.Answer.Code != 503 {
		t.Errorf("the refusal is not in the record: %s", first)
	}
	var endings []string
	for _, stream := range client.Recorder.History().Streams {
		endings = append(endings, fmt.Sprintf("%d %t %d %s", stream.Start, stream.Initial, len(stream.Events), stream.Ending))
	}
	want := []string{"9 false 1 ended", "10 false 1 ended", "11 false 0 gone", "0 true 2 ended"}
	if diff := cmp.Diff(want, endings); diff != "" {
		t.Errorf("the streams: start, initial, events and ending (-want +got):\n%s", diff)
	}
	lists := []Operation{}
	for _, operation := range timeless(client.Recorder.History()) {
		if operation.Verb == List && !operation.Answer.Abandoned {
			lists = append(lists, operation)
		}
	}
	wantLists := []Operation{{
		Verb: List, Scope: scope, Asked: "0", Pages: "TOKEN", Answer: Answer{Code: 200, Revision: 9, Items: []*State{bare()}},
	}}
	if diff := cmp.Diff(wantLists, lists); diff != "" {
		t.Errorf("the lists (-want +got):\n%s", diff)
	}
}
