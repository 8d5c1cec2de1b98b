package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/duet-api/duet/shared/database"
)

// fakeServers are servers by address: a network for the reconciler.
type fakeServers struct {
	mutex   sync.Mutex
	servers map[string]*fakeServer
	// heard are the changes made to servers, as "address call".
	heard []string
	// before and after, if set, may fail a call before or after it is done.
	before, after func(call string) error
}

// fakeServer behaves as a server does, as far as the controller can tell. Its transactions are a list of names.
type fakeServer struct {
	address   string
	password  string
	earlier   string
	data      []string
	schemas   []string
	readOnly  bool
	wiping    bool
	purged    bool
	source    *database.Following
	account   string
	variables map[string]string
	fromFile  []string
	flavor    database.Flavor
	down      bool
}

type fakeSession struct {
	*fakeServer
	net *fakeServers
}

func (n *fakeServers) Dial(_ context.Context, target database.Target) (database.Server, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	host, _, err := net.SplitHostPort(target.Address)
	if err != nil {
		return nil, err
	}
	s := n.servers[host]
	switch {
	case s == nil || s.down:
		return nil, fmt.Errorf("could not open a session at %s: connection refused", target.Address)
	case target.Password != s.password && (s.earlier == "" || target.Password != s.earlier):
		return nil, fmt.Errorf("could not open a session: %w", &mysql.MySQLError{Number: 1045, Message: "Access denied"})
	}
	return &fakeSession{s, n}, nil
}

// change records a call, lets it fail, and does it.
func (s *fakeSession) change(call string, do func()) error {
	s.net.mutex.Lock()
	defer s.net.mutex.Unlock()
	text := s.address + " " + call
	s.net.heard = append(s.net.heard, text)
	if s.net.before != nil {
		if err := s.net.before(text); err != nil {
			return err
		}
	}
	do()
	if s.net.after != nil {
		return s.net.after(text)
	}
	return nil
}

func (s *fakeSession) Flavor() database.Flavor { return s.flavor }
func (s *fakeSession) Close() error            { return nil }

func (s *fakeSession) State(context.Context) (database.State, error) {
	s.net.mutex.Lock()
	defer s.net.mutex.Unlock()
	state := database.State{
		ReadOnly: s.readOnly, SuperReadOnly: s.readOnly, Complete: !s.purged, Schemas: slices.Clone(s.schemas), Wiping: s.wiping,
	}
	for _, transaction := range s.data {
		state.Executed += transaction + ","
	}
	if s.source != nil {
		source := *s.source
		state.Source = &source
	}
	return state, nil
}

func (s *fakeSession) Lacks(_ context.Context, other database.State) (string, error) {
	s.net.mutex.Lock()
	defer s.net.mutex.Unlock()
	own := ""
	for _, transaction := range s.data {
		own += transaction + ","
	}
	if len(other.Executed) > len(own) || own[:len(other.Executed)] != other.Executed {
		return other.Executed, nil
	}
	return "", nil
}

func (s *fakeSession) Lead(context.Context) error {
	return s.change("lead", func() { s.source, s.readOnly = nil, false })
}

// Follow copies at once what the source has, if the password is right.
func (s *fakeSession) Follow(_ context.Context, source database.Source) error {
	return s.change("follow "+source.Host, func() {
		s.source = &database.Following{
			Host: source.Host, Port: source.Port, User: source.User, Encrypted: source.Encrypted, ByGTID: true,
			Receiver: database.Thread{State: database.Running}, Applier: database.Thread{State: database.Running},
			Behind: new(time.Duration),
		}
		for _, primary := range s.net.servers {
			if host, _, _ := strings.Cut(source.Host, "."); primary.address != host && s.net.servers[source.Host] != primary {
				continue
			}
			if primary.account != source.Password {
				s.source.Receiver = database.Thread{State: database.Connecting, Code: 1045, Error: "denied"}
				return
			}
			s.data, s.schemas = slices.Clone(primary.data), slices.Clone(primary.schemas)
		}
	})
}

func (s *fakeSession) Resume(context.Context) error {
	return s.change("resume", func() {
		if s.source.Applier.Code == 0 {
			s.source.Receiver.State, s.source.Applier.State = database.Running, database.Running
		}
	})
}

func (s *fakeSession) Pause(context.Context) error {
	return s.change("pause", func() {
		s.source.Receiver.State, s.source.Applier.State = database.Stopped, database.Stopped
	})
}

func (s *fakeSession) SetReadOnly(_ context.Context, readOnly bool) error {
	return s.change(fmt.Sprintf("read-only %v", readOnly), func() { s.readOnly = readOnly })
}

func (s *fakeSession) Wipe(context.Context, ...string) error {
	return s.change("wipe", func() { s.source, s.data, s.schemas, s.wiping = nil, nil, nil, false })
}

func (s *fakeSession) Donate(context.Context) error { return s.change("donate", func() {}) }

func (s *fakeSession) Clone(_ context.Context, source database.Source) error {
	return s.change("clone "+source.Host, func() {
		for _, primary := range s.net.servers {
			if host, _, _ := strings.Cut(source.Host, "."); primary.address == host {
				s.data, s.schemas = slices.Clone(primary.data), slices.Clone(primary.schemas)
			}
		}
	})
}

func (s *fakeSession) EnsureReplicationUser(_ context.Context, _, password string, renew bool) error {
	if s.account != "" && !renew {
		return nil
	}
	return s.change("replication user", func() { s.account = password })
}

func (s *fakeSession) SetRootPassword(_ context.Context, password string) error {
	return s.change("password", func() { s.earlier, s.password = s.password, password })
}

func (s *fakeSession) DiscardOldPassword(context.Context) error {
	return s.change("discard", func() { s.earlier = "" })
}

func (s *fakeSession) Variables(_ context.Context, names ...string) (map[string]string, error) {
	s.net.mutex.Lock()
	defer s.net.mutex.Unlock()
	values := maps.Clone(s.variables)
	maps.DeleteFunc(values, func(name, _ string) bool { return !slices.Contains(names, name) })
	return values, nil
}

func (s *fakeSession) FromFile(context.Context, string) ([]string, error) { return s.fromFile, nil }

func (s *fakeSession) SetVariable(_ context.Context, name string, value any) error {
	if value == "refused" {
		return errors.New("could not set " + name + ": Error 1231")
	}
	return s.change(fmt.Sprintf("set %s = %v", name, value), func() {
		s.variables[name] = fmt.Sprint(value)
		if value == nil {
			s.variables[name] = "the default"
		}
	})
}

func (s *fakeSession) Stats(context.Context) (database.Stats, error) { return database.Stats{}, nil }
