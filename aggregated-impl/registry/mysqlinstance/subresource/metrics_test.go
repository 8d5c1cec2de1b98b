package subresource

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
	"github.com/duet-api/duet/shared/names"
)

const namespace = "shop"

// one is a store with one instance.
type one struct{ instance *mysql.MySQLInstance }

func (o one) Get(context.Context, string, *metav1.GetOptions) (runtime.Object, error) {
	return o.instance, nil
}

func newInstance(change func(*mysql.MySQLInstance)) one {
	instance := &mysql.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: namespace, UID: "uid", ResourceVersion: "7"},
		Spec:       mysql.MySQLInstanceSpec{Replicas: new(int32(3)), TLS: mysql.TLS{Mode: mysql.TLSPreferred}},
	}
	if change != nil {
		change(instance)
	}
	return one{instance}
}

func newPod(ordinal int) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: names.Server("db", ordinal), Namespace: namespace, Labels: names.Labels("db")},
		Status: corev1.PodStatus{PodIP: fmt.Sprintf("10.0.0.%d", ordinal)},
	}
}

func newSecret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "db-root", Namespace: namespace},
		Data:       map[string][]byte{"password": []byte("open sesame")},
	}
}

// answering are servers by their address. The rest does not answer.
type answering map[string]session

type session struct {
	database.Server
	stats  database.Stats
	state  database.State
	failed error
}

func (a answering) Dial(ctx context.Context, target database.Target) (database.Server, error) {
	server, found := a[target.Address]
	if !found {
		return nil, errors.New("connection refused")
	}
	if _, limited := ctx.Deadline(); !limited {
		return nil, errors.New("a server may take for ever")
	}
	if target.Password != "open sesame" {
		return nil, errors.New("access denied")
	}
	return server, nil
}

func (s session) Stats(context.Context) (database.Stats, error) { return s.stats, s.failed }
func (s session) State(context.Context) (database.State, error) { return s.state, s.failed }
func (session) Close() error                                    { return nil }

func TestMetrics(t *testing.T) {
	stats := database.Stats{Uptime: 90 * time.Minute, ThreadsConnected: 4, Queries: math.MaxUint64}
	behind := 2500 * time.Millisecond
	primary := v1.ServerMetrics{Name: "db-0", Role: v1.ServerPrimary, Reachable: true,
		UptimeSeconds: new(int64(5400)), Connections: new(int64(4)), Queries: new(int64(math.MaxInt64))}
	unreachable := func(ordinal int32, why string) v1.ServerMetrics {
		return v1.ServerMetrics{Name: names.Server("db", int(ordinal)), Ordinal: ordinal, Role: v1.ServerReplica, Error: why}
	}
	pods := []runtime.Object{newSecret(), newPod(0), newPod(1)}
	for name, test := range map[string]struct {
		change  func(*mysql.MySQLInstance)
		cluster []runtime.Object
		servers answering
		want    []v1.ServerMetrics
	}{
		"some answer": {
			cluster: pods,
			servers: answering{
				"10.0.0.0:3306": {stats: stats},
				"10.0.0.1:3306": {stats: stats, state: database.State{Source: &database.Following{Behind: &behind}}},
			},
			want: []v1.ServerMetrics{primary,
				{Name: "db-1", Ordinal: 1, Role: v1.ServerReplica, Reachable: true, UptimeSeconds: new(int64(5400)),
					Connections: new(int64(4)), Queries: new(int64(math.MaxInt64)), ReplicationLagSeconds: new(int64(2))},
				unreachable(2, `could not find the server: pods "db-2" not found`),
			},
		},
		"one follows nobody, and one fails": {
			cluster: append(pods, newPod(2)),
			servers: answering{"10.0.0.1:3306": {stats: stats}, "10.0.0.2:3306": {failed: errors.New("too many connections")}},
			want: []v1.ServerMetrics{
				{Name: "db-0", Role: v1.ServerPrimary, Error: "connection refused"},
				{Name: "db-1", Ordinal: 1, Role: v1.ServerReplica, Reachable: true, UptimeSeconds: new(int64(5400)),
					Connections: new(int64(4)), Queries: new(int64(math.MaxInt64))},
				{Name: "db-2", Ordinal: 2, Role: v1.ServerReplica, Reachable: true, Error: "too many connections"},
			},
		},
		"a pod without an address, and one of somebody else": {
			change: func(i *mysql.MySQLInstance) { i.Spec.Replicas = new(int32(2)) },
			cluster: []runtime.Object{
				newSecret(),
				&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0", Namespace: namespace, Labels: names.Labels("db")}},
				&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-1", Namespace: namespace}},
			},
			want: []v1.ServerMetrics{
				{Name: "db-0", Role: v1.ServerPrimary, Error: "could not reach the server: its pod has no address yet"},
				unreachable(1, `could not find the server: pods "db-1" not found`),
			},
		},
		"a Secret without the key": {
			change: func(i *mysql.MySQLInstance) {
				i.Spec.Replicas = new(int32(1))
				i.Spec.Credentials = &mysql.Credentials{
					RootSecretRef: mysql.SecretKeyReference{Name: "db-root", Key: "root"}}
			},
			cluster: pods,
			want: []v1.ServerMetrics{{Name: "db-0", Role: v1.ServerPrimary,
				Error: "could not read the root password: the Secret db-root has no key root"}},
		},
		"a stopped instance": {
			change:  func(i *mysql.MySQLInstance) { i.Spec.PowerState = mysql.PowerStopped },
			cluster: pods,
			want:    []v1.ServerMetrics{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			metrics := NewMetrics(newInstance(test.change), fake.NewClientset(test.cluster...).CoreV1(), test.servers)
			obj, err := metrics.Get(t.Context(), "db", nil)
			if err != nil {
				t.Fatal(err)
			}
			got := obj.(*v1.MySQLInstanceMetrics)
			if got.Timestamp.IsZero() || got.UID != "uid" || got.Name != "db" {
				t.Errorf("it does not say what it is about, or of when: %+v", got)
			}
			if diff := cmp.Diff(test.want, got.Servers, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("servers (-want +got):\n%s", diff)
			}
			if got.Servers == nil {
				t.Error("servers are null in JSON, and required")
			}
		})
	}
}

func TestMetricsTable(t *testing.T) {
	metrics := &v1.MySQLInstanceMetrics{Servers: []v1.ServerMetrics{
		{Name: "db-0", Role: v1.ServerPrimary, Reachable: true, UptimeSeconds: new(int64(5400)), Connections: new(int64(4)),
			Queries: new(int64(10))},
		{Name: "db-1", Role: v1.ServerReplica, Error: "connection refused"},
	}}
	table, err := (&Metrics{}).ConvertToTable(t.Context(), metrics, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]any{
		{"db-0", "Primary", true, "90m", int64(4), int64(10), nil, ""},
		{"db-1", "Replica", false, nil, nil, nil, nil, "connection refused"},
	}
	for i, row := range table.Rows {
		if diff := cmp.Diff(want[i], row.Cells); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i, diff)
		}
		if len(row.Cells) != len(table.ColumnDefinitions) {
			t.Errorf("row %d has %d cells for %d columns", i, len(row.Cells), len(table.ColumnDefinitions))
		}
	}
	bare, err := (&Metrics{}).ConvertToTable(t.Context(), metrics, &metav1.TableOptions{NoHeaders: true})
	if err != nil || bare.ColumnDefinitions != nil {
		t.Errorf("got columns %v and error %v, want neither", bare.ColumnDefinitions, err)
	}
	if _, err := (&Metrics{}).ConvertToTable(t.Context(), &v1.MySQLInstance{}, nil); err == nil {
		t.Error("want an error for an object that is no metrics")
	}
}
