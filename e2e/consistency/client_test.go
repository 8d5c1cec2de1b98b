package consistency

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

// script is a server that answers each request with the next of its answers, and writes the request down.
type script struct {
	mu      sync.Mutex
	answers []string
	asked   []string
	done    func()
	host    string
}

var tokens = regexp.MustCompile(`[a-z0-9]{5}-\d+`)

// ServeHTTP sends an answer: the code, and a body. After the last one it hangs until the client goes.
func (s *script) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	content, _ := io.ReadAll(in.Body)
	s.mu.Lock()
	line := fmt.Sprintf("%s %s %s", in.Method, in.URL.RequestURI(), content)
	s.asked = append(s.asked, strings.TrimSpace(tokens.ReplaceAllString(line, "TOKEN")))
	if len(s.answers) == 0 {
		s.mu.Unlock()
		s.done()
		<-in.Context().Done()
		return
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	s.mu.Unlock()
	var code int
	if _, err := fmt.Sscan(answer, &code); err != nil {
		// Not before the answer begins: Go's client would send a read again by itself.
		out.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(out).Flush()
		panic(http.ErrAbortHandler)
	}
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(code)
	fmt.Fprint(out, answer[len("200 "):])
}

func scripted(t *testing.T, answers ...string) (*Client, *script) {
	t.Helper()
	s := &script{answers: answers, done: func() {}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.host = server.URL
	client, err := wire.New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return &Client{Name: "client", Wire: client, Recorder: NewRecorder(), Resource: fixture.GVR}, s
}

// timeless are the operations without what is different in each run.
func timeless(history History) []Operation {
	var operations []Operation
	for _, o := range history.Operations {
		o.Call, o.Return, o.ID, o.Client = 0, 0, 0, ""
		o.Token, o.Pages = tokens.ReplaceAllString(o.Token, "TOKEN"), tokens.ReplaceAllString(o.Pages, "TOKEN")
		if o.Answer.Error != "" {
			o.Answer.Error = "some"
		}
		operations = append(operations, *o)
	}
	return operations
}

const (
	collection = "/apis/mysql.example.com/v1/namespaces/ns/mysqlinstances"
	object7    = `{"kind":"MySQLInstance","metadata":{"namespace":"ns","name":"db","resourceVersion":"7","uid":"u"}}`
)

// bare is the state of object7.
func bare() *State {
	return &State{Object: Object{"ns", "db"}, UID: "u", Revision: 7, Spec: digest(nil), Status: digest(nil)}
}

func TestClient(t *testing.T) {
	conflict := `409 {"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409}`
	client, server := scripted(t,
		"201 "+object7, conflict, "200 "+object7, "200 "+object7,
		`200 {"kind":"Status","apiVersion":"v1","status":"Success","details":{"uid":"u"}}`,
		"200 "+object7, "200 {", "abort",
		`200 {"kind":"MySQLInstanceList","metadata":{"resourceVersion":"9","continue":"next"},"items":[`+object7+`]}`,
		`200 {"kind":"MySQLInstanceList","metadata":{"resourceVersion":"9"},"items":[]}`,
		`200 {"kind":"Table","metadata":{"resourceVersion":"9"},"rows":[{"object":`+object7+`}]}`,
	)
	ctx, db := t.Context(), Object{"ns", "db"}
	sent := fixture.Instance("db", fixture.With("metadata.namespace", "ns"), fixture.With("metadata.resourceVersion", "5"),
		fixture.With("metadata.uid", "u"), fixture.Without("spec"))
	named := fixture.Instance("db", fixture.With("metadata.namespace", "ns"), fixture.Without("spec"))
	var unanswered []error
	answered := func(_ *wire.Answer, err error) {
		if err != nil {
			unanswered = append(unanswered, err)
		}
	}
	answered(client.Create(ctx, named))
	answered(client.Update(ctx, sent))
	answered(client.UpdateStatus(ctx, sent, "mine"))
	answered(client.PatchStatus(ctx, db, map[string]any{"status": map[string]any{}}, "mine too"))
	answered(client.Delete(ctx, db, metav1.Preconditions{ResourceVersion: ptr.To("7")}))
	client.DryRun = true
	answered(client.Patch(ctx, db, map[string]any{"spec": map[string]any{"a": "b"}}))
	answered(client.Get(ctx, db, "0"))
	answered(client.Get(ctx, db, ""))
	if _, err := client.List(ctx, Scope{Namespace: "ns", Selector: "a=b"}, ListOptions{
		ResourceVersion: "9", Exact: true, Limit: 1,
	}); err != nil {
		t.Error(err)
	}
	if _, err := client.List(ctx, Scope{}, ListOptions{Table: true}); err != nil {
		t.Error(err)
	}
	if len(unanswered) != 2 {
		t.Errorf("two requests have no answer that can be read, and the errors are: %v", unanswered)
	}

	one := collection + "/db"
	body := `{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","metadata":{`
	stamp := `"annotations":{"duet.example.com/consistency-token":"TOKEN"}`
	wantAsked := []string{
		"POST " + collection + " " + body + stamp + `,"name":"db","namespace":"ns"}}`,
		"PUT " + one + " " + body + stamp + `,"name":"db","namespace":"ns","resourceVersion":"5","uid":"u"}}`,
		"PUT " + one + "/status " + body + `"name":"db","namespace":"ns","resourceVersion":"5","uid":"u"}}`,
		"PATCH " + one + `/status {"status":{}}`,
		"DELETE " + one + ` {"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"resourceVersion":"7"}}`,
		"PATCH " + one + `?dryRun=All {"metadata":{` + stamp + `},"spec":{"a":"b"}}`,
		"GET " + one + "?resourceVersion=0",
		"GET " + one,
		"GET " + collection + "?labelSelector=a%3Db&limit=1&resourceVersion=9&resourceVersionMatch=Exact",
		"GET " + collection + "?continue=next&labelSelector=a%3Db&limit=1",
		"GET /apis/mysql.example.com/v1/mysqlinstances",
	}
	if diff := cmp.Diff(wantAsked, server.asked); diff != "" {
		t.Errorf("the requests (-want +got):\n%s", diff)
	}
	full, none, scope := Answer{Code: 200, State: bare()}, Answer{Error: "some"}, Scope{Namespace: "ns", Selector: "a=b"}
	want := []Operation{
		{Verb: Create, Object: db, Token: "TOKEN", Answer: Answer{Code: 201, State: bare()}},
		{Verb: Update, Object: db, Token: "TOKEN", IfRevision: 5, IfUID: "u", Answer: refused(409, "Conflict")},
		{Verb: Update, Subresource: "status", Object: db, Token: "mine", IfRevision: 5, IfUID: "u", Answer: full},
		{Verb: Patch, Subresource: "status", Object: db, Token: "mine too", Answer: full},
		{Verb: Delete, Object: db, IfRevision: 7, Answer: Answer{Code: 200, UID: "u"}},
		{Verb: Patch, Object: db, Token: "TOKEN", DryRun: true, Answer: full},
		{Verb: Get, Object: db, Asked: "0", Answer: none},
		{Verb: Get, Object: db, Answer: none},
		{Verb: List, Scope: scope, Asked: "9", Exact: true, Pages: "TOKEN",
			Answer: Answer{Code: 200, Revision: 9, Items: []*State{bare()}, More: true}},
		{Verb: List, Scope: scope, Continued: true, Pages: "TOKEN", Answer: Answer{Code: 200, Revision: 9}},
		{Verb: List, Answer: Answer{Code: 200, Revision: 9, Items: []*State{bare()}}},
	}
	if diff := cmp.Diff(want, timeless(client.Recorder.History())); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
}

// TestWatcher shows that a watcher goes on where a watch ended, begins anew after 410, waits after a refusal, and that
// its last watch is open until it is told to stop.
func TestWatcher(t *testing.T) {
	event := func(kind watch.EventType, object string) string {
		return fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object)
	}
	bookmark := func(annotations string) string {
		return event(watch.Bookmark, `{"metadata":{"resourceVersion":"9","annotations":{`+annotations+`}}}`)
	}
	client, server := scripted(t,
		"200 "+event(watch.Added, object7)+bookmark(`"k8s.io/initial-events-end":"true"`)+bookmark(""),
		"503 {}",
		"200 "+event(watch.Error, `{"kind":"Status","code":410,"reason":"Expired","message":"too old"}`),
		"200 "+event(watch.Error, `{"kind":"Status","code":500,"reason":"InternalError","message":"oh"}`),
	)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server.done = cancel
	opened := 0
	watcher := Watcher{Client: client, Initial: true, Scope: Scope{Namespace: "ns"}, Longest: time.Minute}
	watcher.Run(ctx, func() { opened++ })
	if opened != 1 {
		t.Errorf("it said %d times that it was open", opened)
	}
	first := "GET " + collection + "?allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan" +
		"&sendInitialEvents=true&timeoutSeconds=60&watch=true"
	second := "GET " + collection + "?allowWatchBookmarks=true&resourceVersion=9&timeoutSeconds=60&watch=true"
	if diff := cmp.Diff([]string{first, second, second, first, first}, server.asked); diff != "" {
		t.Errorf("the requests (-want +got):\n%s", diff)
	}
	history := client.Recorder.History()
	for _, stream := range history.Streams {
		stream.Opened, stream.Finished, stream.ID = 0, 0, 0
		for i := range stream.Events {
			stream.Events[i].At = 0
		}
	}
	want := []*Stream{
		{Watcher: "client", Scope: watcher.Scope, Initial: true, Ending: Ended, Events: []Seen{
			{Type: watch.Added, State: bare(), Revision: 7},
			{Type: watch.Bookmark, Revision: 9, InitialEnd: true}, {Type: watch.Bookmark, Revision: 9},
		}},
		{Watcher: "client", Scope: watcher.Scope, Start: 9, Ending: Gone, Code: 410, Message: "Expired: too old"},
		{Watcher: "client", Scope: watcher.Scope, Initial: true, Ending: Rejected, Code: 500, Message: "InternalError: oh"},
	}
	if diff := cmp.Diff(want, history.Streams); diff != "" {
		t.Errorf("the streams (-want +got):\n%s", diff)
	}
	last := history.Operations[len(history.Operations)-1]
	if !last.Answer.Abandoned || last.fails() {
		t.Errorf("a watch that its client gave up counts as failed: %s", last)
	}
	if refusal := history.Operations[1]; refusal.Answer.Code != 503 || !refusal.fails() {
		t.Errorf("a watch that was refused does not count as failed: %s", refusal)
	}
}

// TestSettle shows that settling waits for what watches and the oracle have to tell, and no longer.
func TestSettle(t *testing.T) {
	recorder := NewRecorder()
	recorder.Change(baseline())
	stream := recorder.Open(Stream{Watcher: "w", Start: 5})
	recorder.Open(Stream{Watcher: "v", Start: 5, Scope: Scope{Namespace: "other"}})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := recorder.Settle(over, "", 7); err == nil || recorder.History().Settled != 0 {
		t.Errorf("it settled without the oracle: %v", err)
	}
	recorder.Change(put(1, there(7)))
	if behind := recorder.Behind(7); !strings.Contains(behind, "watch w.1") || strings.Contains(behind, "watch v") {
		t.Errorf("behind is %q", behind)
	}
	settled := make(chan error, 1)
	go func() { settled <- recorder.Settle(t.Context(), "", 7) }()
	stream.Saw(Seen{Type: watch.Modified, State: ref(there(7)), Revision: 7})
	if err := <-settled; err != nil {
		t.Error(err)
	}
	if verdict := Check(recorder.History(), Options{}); !verdict.Clean() {
		t.Error(verdict.Text())
	}
}

// TestCatchUp shows that a history is complete only when the oracle has told what a watch heard before it.
func TestCatchUp(t *testing.T) {
	recorder := NewRecorder()
	recorder.Change(baseline())
	stream := recorder.Open(Stream{Watcher: "w", Start: 5})
	stream.Saw(Seen{Type: watch.Modified, State: ref(there(7)), Revision: 7})
	stream.Saw(Seen{Type: watch.Bookmark, Revision: 9})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := recorder.CatchUp(over, ""); err == nil {
		t.Error("the history counts as complete without what the watch heard")
	}
	caught := make(chan error, 1)
	go func() { caught <- recorder.CatchUp(t.Context(), "") }()
	recorder.Change(put(1, there(7)))
	if err := <-caught; err != nil {
		t.Error(err)
	}
}
