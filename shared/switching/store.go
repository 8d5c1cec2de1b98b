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
	// prefix of the keys, with the slash at its end.
	prefix string
}

// openStore opens a store that answers. The client of etcd waits for one that does not for ever.
func openStore(ctx context.Context, access controlplane.EtcdAccess) (*store, error) {
	client, err := access.Client()
	if err != nil {
		return nil, err
	}
	opened := &store{
		client: client, prefix: strings.Join([]string{access.Prefix, install.Group, install.Resource.Resource, ""}, "/"),
	}
	answering, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	if _, err := opened.revision(answering); err != nil {
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
		answer, err := s.client.Get(ctx, key, options...)
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
				_, err := s.client.Delete(ctx, s.prefix+key)
				return err
			})
		}
	}
	for key, value := range wanted.values {
		writes.Go(func() error {
			_, err := s.client.Put(ctx, s.prefix+key, string(value))
			return err
		})
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
		writes.Go(func() error {
			_, err := s.client.Txn(ctx).
				If(clientv3.Compare(clientv3.ModRevision(s.prefix+key), "=", there.revisions[key])).
				Then(clientv3.OpPut(s.prefix+key, string(value))).
				Commit()
			return err
		})
	}
	if err := writes.Wait(); err != nil {
		return fmt.Errorf("could not write the objects once more: %w", err)
	}
	return nil
}

func (s *store) revision(ctx context.Context) (int64, error) {
	answer, err := s.client.Get(ctx, s.prefix, clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("could not read the revision of etcd: %w", err)
	}
	return answer.Header.Revision, nil
}

// revisionKey is written, and deleted in the end, only to make the revision grow. No server looks there.
const revisionKey = "/duet-switch/revision"

// raise makes the revision at least as new as a target, and forgets what was before it: whoever asks for an older one is
// told so, and reads everything anew. A watch from a revision that is still to come would be silent instead.
func (s *store) raise(ctx context.Context, target int64) error {
	now, err := s.revision(ctx)
	if err != nil {
		return err
	}
	if missing := target - now; missing > 0 {
		writes, ctx := errgroup.WithContext(ctx)
		for i := range int64(writers) {
			writes.Go(func() error {
				for range missing/writers + min(1, max(0, missing%writers-i)) {
					if _, err := s.client.Put(ctx, revisionKey, ""); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := writes.Wait(); err != nil {
			return fmt.Errorf("could not raise the revision of etcd: %w", err)
		}
	}
	answer, err := s.client.Delete(ctx, revisionKey)
	if err != nil {
		return fmt.Errorf("could not raise the revision of etcd: %w", err)
	}
	if _, err := s.client.Compact(ctx, answer.Header.Revision); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("could not compact etcd: %w", err)
	}
	return nil
}
