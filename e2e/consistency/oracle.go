package consistency

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Oracle knows every change of a store, in its order, from a source that the servers under test have no part in.
type Oracle interface {
	// Follow tells what is there, as a baseline, calls ready, and then tells every change until the context is done. It
	// returns an error once it cannot know all changes any more.
	Follow(ctx context.Context, ready func(), tell func(Change)) error
}

// EtcdClient is what an Etcd needs of a client.
type EtcdClient interface {
	Get(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error)
	Watch(ctx context.Context, key string, options ...clientv3.OpOption) clientv3.WatchChan
}

// Etcd is an oracle that watches the keys of one resource, past all API servers.
type Etcd struct {
	Client EtcdClient
	// Store names this etcd in the history, where there are several.
	Store string
	// Prefix of the keys, with the group and the resource: /registry/mysql.example.com/mysqlinstances.
	Prefix string
	Reader Reader
}

// Follow implements Oracle. It outlives restarts of etcd: the client resumes its watch. It fails if etcd has forgotten
// a change before telling of it.
func (e Etcd) Follow(ctx context.Context, ready func(), tell func(Change)) error {
	prefix := strings.TrimSuffix(e.Prefix, "/") + "/"
	there, err := e.Client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByModRevision,
		clientv3.SortAscend))
	if err != nil {
		return fmt.Errorf("could not read %s in etcd: %w", prefix, err)
	}
	for _, kv := range there.Kvs {
		change, err := e.change(prefix, string(kv.Key), kv.Value, kv.ModRevision)
		if err != nil {
			return err
		}
		change.Baseline = true
		tell(change)
	}
	ready()
	next := there.Header.Revision + 1
	for {
		if next, err = e.watch(ctx, prefix, next, tell); err != nil {
			return err
		}
	}
}

// watch tells changes from a revision on, until the watch is canceled for a reason that lets a new one go on. It
// returns the revision to go on from.
func (e Etcd) watch(ctx context.Context, prefix string, next int64, tell func(Change)) (int64, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	for answer := range e.Client.Watch(watching, prefix, clientv3.WithPrefix(), clientv3.WithRev(next)) {
		if answer.CompactRevision > 0 || errors.Is(answer.Err(), rpctypes.ErrCompacted) {
			return next, fmt.Errorf("could not watch %s in etcd: changes from revision %d to %d were compacted before "+
				"they were seen; let etcd compact less often", prefix, next, answer.CompactRevision)
		}
		for _, event := range answer.Events {
			change, err := e.change(prefix, string(event.Kv.Key), event.Kv.Value, event.Kv.ModRevision)
			if err != nil {
				return next, err
			}
			tell(change)
			next = event.Kv.ModRevision + 1
		}
	}
	if ctx.Err() != nil {
		return next, ctx.Err()
	}
	return next, nil
}

// change reads a key and its value. Without a value it was deleted.
func (e Etcd) change(prefix, key string, value []byte, revision int64) (Change, error) {
	namespace, name, namespaced := strings.Cut(strings.TrimPrefix(key, prefix), "/")
	object := Object{Namespace: namespace, Name: name}
	if !namespaced {
		object = Object{Name: namespace}
	}
	change := Change{Store: e.Store, Revision: revision, State: State{Object: object, Revision: revision}}
	if len(value) == 0 {
		change.Deleted = true
		return change, nil
	}
	state, err := e.Reader.Stored(value, revision)
	if err != nil {
		return Change{}, fmt.Errorf("could not read %s in etcd: %w", key, err)
	}
	// The key decides: what a server stored in an object's name is for the verdict to judge.
	state.Object = object
	change.State = state
	return change, nil
}
