package arm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

// Etcd is the storage without any API: the same bytes under the keys that an API server would use. No API server is
// faster, so what an arm takes beyond it is the price of having an API at all.
type Etcd struct {
	// Config reaches an etcd. Its TLS configuration and endpoints are used as they are.
	Config clientv3.Config
}

// etcdPrefix is apart from the keys of Kubernetes.
const etcdPrefix = "/duet-bench/"

// etcdClient does with keys what an API server does with objects: a creation succeeds only if the key is new, and an
// update only if the key has not changed, each in one transaction, as k8s.io/apiserver writes them.
type etcdClient struct {
	arm  *Arm
	etcd *clientv3.Client
}

// Connect implements Target.
func (e Etcd) Connect(a *Arm) (Client, error) {
	config := e.Config
	dial := a.dialer()
	config.DialOptions = append(slices.Clone(config.DialOptions), grpc.WithContextDialer(
		func(ctx context.Context, address string) (net.Conn, error) { return dial(ctx, "tcp", address) }))
	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("could not connect to etcd for arm %s: %w", a.Name, err)
	}
	return &etcdClient{arm: a, etcd: client}, nil
}

// Prepare implements Target: keys need no preparation, but the storage must answer.
func (e Etcd) Prepare(ctx context.Context, a *Arm) error {
	client, err := e.Connect(a)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.List(ctx, a.Namespace, &bytes.Buffer{})
	return err
}

// Cleanup implements Target.
func (e Etcd) Cleanup(ctx context.Context, a *Arm) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	client, err := clientv3.New(e.Config)
	if err != nil {
		return fmt.Errorf("could not connect to etcd for arm %s: %w", a.Name, err)
	}
	defer client.Close()
	for _, namespace := range []string{a.Namespace, a.Scratch()} {
		if _, err := client.Delete(ctx, etcdPrefix+namespace+"/", clientv3.WithPrefix()); err != nil {
			return fmt.Errorf("could not delete the keys of arm %s: %w", a.Name, err)
		}
	}
	return nil
}

func (c *etcdClient) Close() { _ = c.etcd.Close() } // nothing is left to lose

func key(namespace, name string) string { return etcdPrefix + namespace + "/" + name }

// errTransaction is a write whose precondition did not hold.
var errTransaction = errors.New("the key was not as expected")

func (c *etcdClient) Create(
	ctx context.Context, namespace, name string, body []byte, answer *bytes.Buffer,
) (time.Time, error) {
	key := key(namespace, name)
	return c.write(ctx, clientv3.Compare(clientv3.ModRevision(key), "=", 0), key, body, answer)
}

func (c *etcdClient) Update(
	ctx context.Context, namespace, name, resourceVersion string, body []byte, answer *bytes.Buffer,
) (time.Time, error) {
	revision, err := strconv.ParseInt(resourceVersion, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("could not update a key: %w", err)
	}
	key := key(namespace, name)
	return c.write(ctx, clientv3.Compare(clientv3.ModRevision(key), "=", revision), key, body, answer)
}

func (c *etcdClient) write(
	ctx context.Context, when clientv3.Cmp, key string, body []byte, answer *bytes.Buffer,
) (time.Time, error) {
	result, done, err := c.transact(ctx, when, clientv3.OpPut(key, string(body)))
	if err != nil {
		return time.Time{}, err
	}
	return done, keep(answer, &etcdserverpb.RangeResponse{Header: result.Header, Kvs: []*mvccpb.KeyValue{
		{Key: []byte(key), ModRevision: result.Header.Revision, Value: body},
	}})
}

// Delete implements Client. A key that is not there is not found, as an API says it.
func (c *etcdClient) Delete(ctx context.Context, namespace, name string, answer *bytes.Buffer) (time.Time, error) {
	key := key(namespace, name)
	answer.Reset()
	_, done, err := c.transact(ctx, clientv3.Compare(clientv3.ModRevision(key), "!=", 0), clientv3.OpDelete(key))
	if errors.Is(err, errTransaction) {
		return time.Time{}, apierrors.NewNotFound(c.arm.Kind.Resource.GroupResource(), name)
	}
	return done, err
}

// transact writes if a condition holds.
func (c *etcdClient) transact(
	ctx context.Context, when clientv3.Cmp, then clientv3.Op,
) (*clientv3.TxnResponse, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	result, err := c.etcd.Txn(ctx).If(when).Then(then).Commit()
	done := time.Now()
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("could not write a key: %w", err)
	}
	if !result.Succeeded {
		return nil, time.Time{}, errTransaction
	}
	return result, done, nil
}

func (c *etcdClient) Get(ctx context.Context, namespace, name string, answer *bytes.Buffer) (time.Time, error) {
	return c.read(ctx, answer, key(namespace, name))
}

func (c *etcdClient) List(ctx context.Context, namespace string, answer *bytes.Buffer) (time.Time, error) {
	return c.read(ctx, answer, key(namespace, ""), clientv3.WithPrefix())
}

func (c *etcdClient) read(
	ctx context.Context, answer *bytes.Buffer, key string, options ...clientv3.OpOption,
) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	result, err := c.etcd.Get(ctx, key, options...)
	done := time.Now()
	if err != nil {
		return time.Time{}, fmt.Errorf("could not read keys: %w", err)
	}
	return done, keep(answer, (*etcdserverpb.RangeResponse)(result))
}

// keep writes an answer down as etcd's own message, after the clock has stopped: the library hands out no bytes.
func keep(answer *bytes.Buffer, message *etcdserverpb.RangeResponse) error {
	data, err := message.Marshal()
	if err != nil {
		return fmt.Errorf("could not keep an answer of etcd: %w", err)
	}
	answer.Reset()
	answer.Write(data)
	return nil
}

func (c *etcdClient) Meta(object []byte) (Meta, error) {
	_, items, err := c.Items(object)
	if err != nil || len(items) != 1 {
		return Meta{}, errors.Join(fmt.Errorf("could not read an answer with %d keys", len(items)), err)
	}
	return items[0], nil
}

func (c *etcdClient) Items(list []byte) (resourceVersion string, items []Meta, err error) {
	var message etcdserverpb.RangeResponse
	if err := message.Unmarshal(list); err != nil {
		return "", nil, fmt.Errorf("could not read an answer of etcd: %w", err)
	}
	for _, kv := range message.Kvs {
		items = append(items, metaOf(kv))
	}
	return strconv.FormatInt(message.Header.Revision, 10), items, nil
}

// metaOf a key: its last part names the object.
func metaOf(kv *mvccpb.KeyValue) Meta {
	return Meta{Name: path.Base(string(kv.Key)), ResourceVersion: strconv.FormatInt(kv.ModRevision, 10)}
}

// Watch implements Watcher.
func (c *etcdClient) Watch(
	ctx context.Context, namespace, from string, each func(Event),
) (finished <-chan error, err error) {
	revision, err := strconv.ParseInt(from, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("could not open a watch on arm %s: %w", c.arm.Name, err)
	}
	events := c.etcd.Watch(ctx, key(namespace, ""), clientv3.WithPrefix(), clientv3.WithRev(revision+1), clientv3.WithCreatedNotify())
	if created, open := <-events; !open || created.Err() != nil {
		return nil, fmt.Errorf("could not open a watch on arm %s: %w", c.arm.Name, created.Err())
	}
	done := make(chan error, 1)
	go func() {
		for answer := range events {
			received := time.Now()
			for _, event := range answer.Events {
				kind := watch.Modified
				if event.IsCreate() {
					kind = watch.Added
				} else if event.Type == clientv3.EventTypeDelete {
					kind = watch.Deleted
				}
				each(Event{Type: kind, Received: received, Meta: metaOf(event.Kv)})
			}
		}
		if ctx.Err() != nil {
			done <- nil
			return
		}
		done <- errors.New("the watch broke: etcd ended it")
	}()
	return done, nil
}

// Can implements Target.
func (Etcd) Can() Ability { return Keep }
