package consistency

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/shared/api/mysql/install"
)

// stored are two encodings of one object, and the Decoder that knows its kind.
func stored(t *testing.T, object *unstructured.Unstructured) (asJSON, asProtobuf []byte, decoder runtime.Decoder) {
	t.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoder = serializer.NewCodecFactory(scheme).UniversalDeserializer()
	asJSON, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	typed, _, err := decoder.Decode(asJSON, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	content := &bytes.Buffer{}
	if err := protobuf.NewSerializer(scheme, scheme).Encode(typed, content); err != nil {
		t.Fatal(err)
	}
	return asJSON, content.Bytes(), decoder
}

func instance(size string) *unstructured.Unstructured {
	return fixture.Instance("db",
		fixture.With("metadata.namespace", "ns"), fixture.With("metadata.uid", "uid"),
		fixture.With("metadata.generation", 3), fixture.With("metadata.creationTimestamp", "2026-01-02T03:04:05Z"),
		fixture.With("metadata.annotations", map[string]any{TokenAnnotation: "t1", "was": "old-uid"}),
		fixture.With("metadata.labels", map[string]any{"b": "2", "a": "1"}),
		fixture.With("metadata.finalizers", []any{"duet"}), fixture.With("spec.storage.size", size),
		fixture.With("metadata.managedFields", []any{
			map[string]any{"manager": "duet", "operation": "Update", "subresource": "status", "apiVersion": "mysql.example.com/v1"},
			map[string]any{"manager": "a", "operation": "Apply", "apiVersion": "mysql.example.com/v1"},
		}),
		fixture.With("status.conditions", []any{map[string]any{
			"type": "Load", "status": "True", "reason": "Load", "message": "t2", "lastTransitionTime": "2026-01-02T03:04:05Z",
		}}))
}

func TestStored(t *testing.T) {
	asJSON, asProtobuf, decoder := stored(t, instance("10Gi"))
	other, _, _ := stored(t, instance("10240Mi"))
	typed := Reader{Decoder: decoder, StatusToken: ConditionToken("Load"), OriginalUID: "was"}
	untyped := Reader{StatusToken: ConditionToken("Load"), OriginalUID: "was"}
	read := func(r Reader, value []byte) State {
		t.Helper()
		state, err := r.Stored(value, 42)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	want := State{
		Object: Object{"ns", "db"}, APIVersion: "mysql.example.com/v1", UID: "uid", CreatedAt: "2026-01-02T03:04:05Z",
		Revision: 42, Generation: 3, Token: "t1", StatusToken: "t2", OriginalUID: "old-uid", Labels: "a=1,b=2",
		Finalizers: "duet", Managers: "a/Apply,duet/Update/status",
	}
	got := read(typed, asJSON)
	if got.Spec == "" || got.Status == "" {
		t.Errorf("spec or status have no digest: %+v", got)
	}
	want.Spec, want.Status = got.Spec, got.Status
	for name, state := range map[string]State{
		"JSON": got, "protobuf": read(typed, asProtobuf), "another way to write a quantity": read(typed, other),
	} {
		if diff := cmp.Diff(want, state); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if first, second := read(untyped, asJSON), read(untyped, other); first.Spec == second.Spec {
		t.Error("a change of the spec does not change its digest")
	}
	// Without the Go type, protobuf shows what all kinds have.
	want.Spec, want.Status, want.StatusToken = "", "", ""
	if diff := cmp.Diff(want, read(untyped, asProtobuf)); diff != "" {
		t.Errorf("the envelope (-want +got):\n%s", diff)
	}
	for _, value := range []string{"k8s:enc:aescbc:v1:key:x", "k8s\x00\xff", "{", `{"metadata":{"resourceVersion":"x"}}`} {
		if _, err := typed.Stored([]byte(value), 1); err == nil {
			t.Errorf("%q was read", value)
		}
	}
}

// TestDigest shows what counts as a difference between two servers that encode one object, and what does not.
func TestDigest(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{`{"spec":{"a":1}}`, `{"spec":{"a":1},"status":{}}`, true},
		{`{"spec":{"a":1,"b":null,"c":[],"d":{"e":{}}}}`, `{"spec":{"a":1}}`, true},
		{`{"spec":{"a":1}}`, `{"spec":{"a":2}}`, false},
		{`{"spec":{"a":[{},1]}}`, `{"spec":{"a":[1]}}`, false},
		{`{"spec":{"a":1}}`, `{"spec":{"a":1},"metadata":{"managedFields":[{"manager":"x"}]}}`, false},
		{
			`{"metadata":{"managedFields":[{"manager":"x","time":"2026-01-02T03:04:05Z","fieldsV1":{"f:a":{}}}]}}`,
			`{"metadata":{"managedFields":[{"manager":"x"}]}}`, true,
		},
		{`{"spec":{"a":1}}`, `{"spec":{"a":1},"metadata":{"ownerReferences":[{"uid":"x"}]}}`, false},
		{`{"spec":{"a":1}}`, `{"spec":{"a":1},"metadata":{"deletionTimestamp":"2026-01-02T03:04:05Z"}}`, false},
	} {
		a, err := Reader{}.Parse([]byte(tt.a))
		if err != nil {
			t.Fatal(err)
		}
		b, err := Reader{}.Parse([]byte(tt.b))
		if err != nil {
			t.Fatal(err)
		}
		if (a == b) != tt.same {
			t.Errorf("%s and %s: the same is %t, want %t", tt.a, tt.b, a == b, tt.same)
		}
	}
}

// fakeEtcd has one object, then a sequence of answers to each watch that is opened.
type fakeEtcd struct {
	there   *mvccpb.KeyValue
	watches [][]clientv3.WatchResponse
	from    []int64
}

func (f *fakeEtcd) Get(context.Context, string, ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	return &clientv3.GetResponse{
		Header: &etcdserverpb.ResponseHeader{Revision: 50}, Kvs: []*mvccpb.KeyValue{f.there},
	}, nil
}

func (f *fakeEtcd) Watch(_ context.Context, key string, options ...clientv3.OpOption) clientv3.WatchChan {
	f.from = append(f.from, clientv3.OpGet(key, options...).Rev())
	answers := make(chan clientv3.WatchResponse, 10)
	for _, answer := range f.watches[0] {
		answers <- answer
	}
	f.watches = f.watches[1:]
	close(answers)
	return answers
}

func TestEtcd(t *testing.T) {
	const key = "/registry/mysql.example.com/mysqlinstances/ns/db"
	asJSON, asProtobuf, _ := stored(t, instance("10Gi"))
	tell := func(kind mvccpb.Event_EventType, value []byte, revision int64) clientv3.WatchResponse {
		return clientv3.WatchResponse{Events: []*clientv3.Event{{
			Type: kind, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: value, ModRevision: revision},
		}}}
	}
	etcd := &fakeEtcd{
		there: &mvccpb.KeyValue{Key: []byte(key), Value: asJSON, ModRevision: 40},
		watches: [][]clientv3.WatchResponse{
			{tell(mvccpb.PUT, asProtobuf, 60)},
			{tell(mvccpb.DELETE, nil, 61)},
			{{CompactRevision: 90}},
		},
	}
	recorder := NewRecorder()
	oracle := Etcd{Client: etcd, Store: "main", Prefix: strings.TrimSuffix(key, "/ns/db")}
	failed := make(chan error)
	err := recorder.Follow(t.Context(), oracleFunc(func(ctx context.Context, ready func(), tell func(Change)) error {
		err := oracle.Follow(ctx, ready, tell)
		failed <- err
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "compacted") {
		t.Errorf("changes were lost, and the error is: %v", err)
	}
	if diff := cmp.Diff([]int64{51, 61, 62}, etcd.from); diff != "" {
		t.Errorf("the watches go on from (-want +got):\n%s", diff)
	}
	var got []string
	for _, change := range recorder.History().Changes {
		line, err := json.Marshal([]any{
			change.Store, change.Revision, change.Baseline, change.Deleted, change.State.Object, change.State.Token,
		})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(line))
	}
	want := []string{
		`["main",40,true,false,{"namespace":"ns","name":"db"},"t1"]`,
		`["main",60,false,false,{"namespace":"ns","name":"db"},"t1"]`,
		`["main",61,false,true,{"namespace":"ns","name":"db"},""]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the oracle told (-want +got):\n%s", diff)
	}
}

type oracleFunc func(context.Context, func(), func(Change)) error

func (f oracleFunc) Follow(ctx context.Context, ready func(), tell func(Change)) error {
	return f(ctx, ready, tell)
}
