package switching

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

// store is the objects of the API in one etcd, below the servers. Objects are copied there and not through an API because
// every create through an API makes a new UID and a new creationTimestamp; the bytes of both forms are the same.
type store struct {
	client *clientv3.Client
	kv     bounded
	// prefix of the keys, with the slash at its end.
	prefix string
}

// bounded gives up what etcd does not answer: its client would wait for ever.
type bounded struct{ kv clientv3.KV }

func (b bounded) get(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	return within(ctx, func(ctx context.Context) (*clientv3.GetResponse, error) { return b.kv.Get(ctx, key, options...) })
}

func (b bounded) put(ctx context.Context, key, value string) error {
	_, err := within(ctx, func(ctx context.Context) (*clientv3.PutResponse, error) { return b.kv.Put(ctx, key, value) })
	return err
}

// putIf writes what has not been written since a revision.
func (b bounded) putIf(ctx context.Context, key, value string, revision int64) error {
	_, err := within(ctx, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return b.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).Then(clientv3.OpPut(key, value)).Commit()
	})
	return err
}

// remove returns the revision in which it was done.
func (b bounded) remove(ctx context.Context, key string) (int64, error) {
	answer, err := within(ctx, func(ctx context.Context) (*clientv3.DeleteResponse, error) { return b.kv.Delete(ctx, key) })
	if err != nil {
		return 0, err
	}
	return answer.Header.Revision, nil
}

func (b bounded) compact(ctx context.Context, revision int64) error {
	_, err := within(ctx, func(ctx context.Context) (*clientv3.CompactResponse, error) { return b.kv.Compact(ctx, revision) })
	return err
}

func within[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	return call(ctx)
}

// openStore opens a store that answers.
func openStore(ctx context.Context, access controlplane.EtcdAccess) (*store, error) {
	client, err := access.Client()
	if err != nil {
		return nil, err
	}
	opened := &store{
		client: client, kv: bounded{client}, prefix: strings.Join([]string{access.Prefix, install.Group, install.Resource.Resource, ""}, "/"),
	}
	if _, err := opened.revision(ctx); err != nil {
		opened.close()
		return nil, fmt.Errorf("etcd at %s does not answer: %w", access.URL, err)
	}
	return opened, nil
}

func (s *store) close() { _ = s.client.Close() }

// snapshot is what a store holds at one revision.
type snapshot struct {
	revision int64
	// values by key, without the prefix.
	values map[string][]byte
	// revisions are those of the values, by key, and changed is the newest of them.
	revisions map[string]int64
	changed   int64
}

// keysPerRead of a snapshot.
const keysPerRead = 500

// read returns all objects as they are at one moment.
func (s *store) read(ctx context.Context) (snapshot, error) {
	found := snapshot{values: map[string][]byte{}, revisions: map[string]int64{}}
	end := clientv3.GetPrefixRangeEnd(s.prefix)
	for key := s.prefix; ; {
		options := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(keysPerRead)}
		if found.revision != 0 {
			options = append(options, clientv3.WithRev(found.revision))
		}
		answer, err := s.kv.get(ctx, key, options...)
		if err != nil {
			return found, fmt.Errorf("could not read the stored objects: %w", err)
		}
		if found.revision == 0 {
			found.revision = answer.Header.Revision
		}
		for _, kv := range answer.Kvs {
			name := strings.TrimPrefix(string(kv.Key), s.prefix)
			found.values[name], found.revisions[name] = kv.Value, kv.ModRevision
			found.changed = max(found.changed, kv.ModRevision)
			key = string(kv.Key) + "\x00"
		}
		if !answer.More {
			return found, nil
		}
	}
}

// digest is the same for snapshots with the same keys and bytes.
func (s snapshot) digest() string {
	sum := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		fmt.Fprintf(sum, "%d %s %d ", len(key), key, len(s.values[key]))
		sum.Write(s.values[key])
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

var (
	// protobufPrefix begins what a typed server stores if it is told to store protobuf. A CustomResourceDefinition cannot
	// read it.
	protobufPrefix = []byte("k8s\x00")
	// encryptedPrefix begins what a server stores encrypted.
	encryptedPrefix = []byte("k8s:enc:")
)

// beginningWith are the keys of the values that begin so.
func (s snapshot) beginningWith(prefix []byte) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if bytes.HasPrefix(s.values[key], prefix) {
			found = append(found, key)
		}
	}
	return found
}

// writers is how many writes are under way at a time.
const writers = 32

// write makes the store hold what a snapshot holds, and nothing else. Every object is written, also one that is there
// already, so that its resourceVersion is new; and each in a revision of its own, as servers write.
func (s *store) write(ctx context.Context, wanted snapshot) error {
	there, err := s.read(ctx)
	if err != nil {
		return err
	}
	writes, ctx := errgroup.WithContext(ctx)
	writes.SetLimit(writers)
	for key := range there.values {
		if _, ok := wanted.values[key]; !ok {
			writes.Go(func() error {
				_, err := s.kv.remove(ctx, s.prefix+key)
				return err
			})
		}
	}
	for key, value := range wanted.values {
		writes.Go(func() error { return s.kv.put(ctx, s.prefix+key, string(value)) })
	}
	if err := writes.Wait(); err != nil {
		return fmt.Errorf("could not copy the objects: %w", err)
	}
	return nil
}

// renew writes every object once more as it is, so that its resourceVersion is new. One that somebody else writes meanwhile has a
// new one already.
func (s *store) renew(ctx context.Context) error {
	there, err := s.read(ctx)
	if err != nil {
		return err
	}
	writes, ctx := errgroup.WithContext(ctx)
	writes.SetLimit(writers)
	for key, value := range there.values {
		writes.Go(func() error { return s.kv.putIf(ctx, s.prefix+key, string(value), there.revisions[key]) })
	}
	if err := writes.Wait(); err != nil {
		return fmt.Errorf("could not write the objects once more: %w", err)
	}
	return nil
}

// revisionAt is the newest revision of an etcd that answers.
func revisionAt(ctx context.Context, access controlplane.EtcdAccess) (int64, error) {
	opened, err := openStore(ctx, access)
	if err != nil {
		return 0, err
	}
	defer opened.close()
	return opened.revision(ctx)
}

func (s *store) revision(ctx context.Context) (int64, error) {
	answer, err := s.kv.get(ctx, s.prefix, clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("could not read the revision of etcd: %w", err)
	}
	return answer.Header.Revision, nil
}

// revisionKey is written, and deleted in the end, only to make the revision grow. No server looks there.
const revisionKey = "/duet-switch/revision"

// raise makes the revision at least as new as a target, and forgets what was before it: whoever asks for an older one is
// told so, and reads everything anew. A watch from a revision that is still to come would be silent instead.
func (s *store) raise(ctx context.Context, target int64, tell func(format string, args ...any)) error {
	now, err := s.revision(ctx)
	if err != nil {
		return err
	}
	if missing := target - now; missing > 0 {
		pace := install.NewPace(tell, missing, "revisions are made up for")
		writes, ctx := errgroup.WithContext(ctx)
		for i := range int64(writers) {
			writes.Go(func() error {
				for range missing/writers + min(1, max(0, missing%writers-i)) {
					if err := s.kv.put(ctx, revisionKey, ""); err != nil {
						return err
					}
					pace.Done()
				}
				return nil
			})
		}
		if err := writes.Wait(); err != nil {
			return fmt.Errorf("could not raise the revision of etcd: %w", err)
		}
	}
	newest, err := s.kv.remove(ctx, revisionKey)
	if err != nil {
		return fmt.Errorf("could not raise the revision of etcd: %w", err)
	}
	if err := s.kv.compact(ctx, newest); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("could not compact etcd: %w", err)
	}
	return nil
}
