package behaviour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/duet-api/duet/e2e/wire"
)

// logPatience is how long an event may take from the answer to the file. A server that logs nothing of a request costs
// the row this much.
const logPatience = 5 * time.Second

// trail is what servers add to their audit logs from a moment on: the logs of a whole run are long.
type trail struct {
	subject *Subject
	servers []server
	from    map[string]int64
}

// trail of the servers that a request for the group passes, from now on.
func (s *Subject) trail(ctx context.Context) (*trail, error) {
	servers, err := s.servers(ctx)
	if err != nil {
		return nil, err
	}
	t := &trail{subject: s, servers: servers, from: map[string]int64{}}
	for _, v := range servers {
		info, err := os.Stat(v.flag("audit-log-path"))
		if err != nil {
			return nil, fmt.Errorf("could not find the audit log of %s: %w", v.name(), err)
		}
		t.from[v.name()] = info.Size()
	}
	return t, nil
}

// events that a server has logged since, when their requests were complete.
func (t *trail) events(v server) ([]auditv1.Event, error) {
	path := v.flag("audit-log-path")
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("could not read the audit log of %s: %w", v.name(), err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("could not read the audit log of %s: %w", v.name(), err)
	}
	// A log that has become shorter was rotated, and is new from its beginning.
	from := t.from[v.name()]
	if info.Size() < from {
		from = 0
	}
	content, err := io.ReadAll(io.NewSectionReader(file, from, info.Size()-from))
	if err != nil {
		return nil, fmt.Errorf("could not read the audit log of %s: %w", v.name(), err)
	}
	var events []auditv1.Event
	for line := range bytes.Lines(content) {
		var event auditv1.Event
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("could not read an event of %s: %w", v.name(), err)
		}
		if event.Stage == auditv1.StageResponseComplete {
			events = append(events, event)
		}
	}
	return events, nil
}

// of is the event of a request in each server's log, by server. A server without one is not in it.
func (t *trail) of(ctx context.Context, answer *wire.Answer) (map[string]auditv1.Event, error) {
	id := answer.Header.Get("Audit-Id")
	found := map[string]auditv1.Event{}
	_, err := holdsWithin(ctx, logPatience, func(context.Context) (bool, error) {
		for _, v := range t.servers {
			events, err := t.events(v)
			if err != nil {
				return false, err
			}
			for _, event := range events {
				if string(event.AuditID) == id {
					found[v.name()] = event
				}
			}
		}
		return len(found) == len(t.servers), nil
	})
	if err != nil {
		return nil, fmt.Errorf("could not wait for the audit events of a request: %w", err)
	}
	for _, v := range t.servers {
		if event, ok := found[v.name()]; ok {
			if line, err := json.Marshal(event); err == nil {
				t.subject.recorder.Note(v.flag("audit-log-path"), string(line))
			}
		}
	}
	return found, nil
}

// complete returns once everything that was answered before is in the logs: each log is in order, so an event of a
// request that comes last is the end.
func (t *trail) complete(ctx context.Context) error {
	last, err := t.subject.get(ctx, t.subject.path("no-such-instance"))
	if err != nil {
		return err
	}
	found, err := t.of(ctx, last)
	if err == nil && len(found) < len(t.servers) {
		err = fmt.Errorf("could not find the last request in every audit log: it is in %d of %d", len(found), len(t.servers))
	}
	return err
}
