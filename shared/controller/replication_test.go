package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
)

// machines are a world with servers that can be reached.
type machines struct {
	*world
	*fakeServers
}

// newMachines has an instance whose root password is "secret", and running pods with servers that have it.
func newMachines(t *testing.T, servers int) machines {
	instance := newInstance(func(i *v1.MySQLInstance) {
		i.Spec.Replicas = new(int32(servers))
		i.Spec.Credentials = &v1.Credentials{RootSecretRef: v1.SecretKeyReference{Name: "given", Key: "root"}}
	})
	flavor, err := database.ParseFlavor("8.4.8", "MySQL")
	if err != nil {
		t.Fatal(err)
	}
	network := &fakeServers{servers: map[string]*fakeServer{}}
	objects := []client.Object{instance, rootPassword()}
	for ordinal := range servers {
		pod := newPod(instance, ordinal, true)
		pod.UID = types.UID(fmt.Sprintf("pod-%d", ordinal))
		pod.Status.PodIP = fmt.Sprintf("10.0.0.%d", ordinal)
		objects = append(objects, pod, newClaim(instance, ordinal, "10Gi"))
		network.servers[pod.Status.PodIP] = &fakeServer{
			address: pod.Name, password: "secret", flavor: flavor, variables: map[string]string{bufferPoolSize: "5242880"},
		}
	}
	network.servers["10.0.0.0"].data = []string{"u:1"}
	network.servers["10.0.0.0"].schemas = []string{"shop"}
	c := machines{newWorld(t, objects...), network}
	c.reconciler.Dialer = network
	return c
}

func (c machines) at(ordinal int) *fakeServer { return c.servers[fmt.Sprintf("10.0.0.%d", ordinal)] }

func (c machines) role(ordinal int) string {
	var pod corev1.Pod
	c.get(&pod, fmt.Sprintf("db-%d", ordinal))
	return pod.Labels[labelRole]
}

// condition is that of the world, without the ambiguity.
func (c machines) replicating() string { return c.condition(v1.ConditionReplicating) }

func TestReplicationIsSetUp(t *testing.T) {
	c := newMachines(t, 3)
	c.settle()
	var of0, of1 []string
	for _, call := range c.heard {
		switch address, what, _ := strings.Cut(call, " "); address {
		case "db-0":
			of0 = append(of0, what)
		case "db-1":
			of1 = append(of1, what)
		}
	}
	if diff := cmp.Diff([]string{"replication user"}, of0); diff != "" {
		t.Errorf("done at the primary (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"read-only true", "follow db-0.db-headless"}, of1); diff != "" {
		t.Errorf("done at a replica (-want +got):\n%s", diff)
	}
	if got := []string{c.role(0), c.role(1), c.role(2)}; !slices.Equal(got, []string{"", roleReplica, roleReplica}) {
		t.Errorf("roles %q", got)
	}
	if got := c.replicating(); got != "True Following" {
		t.Errorf("Replicating is %s", got)
	}

	c.heard = nil
	c.forget()
	result, err := c.reconcile()
	if err != nil || len(c.writes) > 0 || len(c.heard) > 0 {
		t.Errorf("once it is settled: %v, writes %v, calls %v; want nothing", err, c.writes, c.heard)
	}
	if result.RequeueAfter != lookAgain {
		t.Errorf("looks again after %s, want %s", result.RequeueAfter, lookAgain)
	}
}

func TestReplicationByAddress(t *testing.T) {
	c := newMachines(t, 2)
	c.reconciler.ReplicateByAddress = true
	c.settle()
	if got := c.at(1).source.Host; got != "10.0.0.0" {
		t.Errorf("the replica follows %s", got)
	}
}

// TestRolesOfReplicas: reads come only to replicas that are known to be good, or were when last seen.
func TestRolesOfReplicas(t *testing.T) {
	tests := map[string]struct {
		change   func(c machines)
		want     string
		wantRole string
	}{
		"the primary goes away": {
			change:   func(c machines) { c.at(0).down = true },
			want:     "Unknown ServersUnreachable",
			wantRole: roleReplica,
		},
		"the replica goes away": {
			change:   func(c machines) { c.at(1).down = true },
			want:     "False ServersUnreachable",
			wantRole: roleReplica,
		},
		"the replica loses the primary": {
			change: func(c machines) {
				c.at(1).source.Behind, c.at(1).source.Receiver.State = nil, database.Connecting
			},
			want:     "False ReplicaStarting",
			wantRole: roleReplica,
		},
		"the replica falls behind": {
			change: func(c machines) { c.at(1).source.Behind = new(time.Hour) },
			want:   "False ReplicaLagging",
		},
		"the replica writes something of its own": {
			change: func(c machines) { c.at(1).data = append(c.at(1).data, "v:1") },
			want:   "False ReplicaDiverged",
		},
		"the primary loses its data": {
			change: func(c machines) { c.at(0).data, c.at(0).schemas = nil, nil },
			want:   "False PrimaryLostData",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newMachines(t, 2)
			c.settle()
			test.change(c)
			data := slices.Clone(c.at(1).data)
			c.settle()
			if got := c.replicating(); got != test.want {
				t.Errorf("Replicating is %s, want %s", got, test.want)
			}
			if got := c.role(1); got != test.wantRole {
				t.Errorf("the role is %q, want %q", got, test.wantRole)
			}
			if diff := cmp.Diff(data, c.at(1).data); diff != "" {
				t.Errorf("the replica's data was changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestRepair(t *testing.T) {
	tests := map[string]struct {
		change func(c machines)
		// wantHeard at the replica.
		wantHeard []string
	}{
		"the wrong source": {
			change:    func(c machines) { c.at(1).source.Host = "elsewhere" },
			wantHeard: []string{"follow db-0.db-headless"},
		},
		"a server that takes writes": {
			change:    func(c machines) { c.at(1).readOnly = false },
			wantHeard: []string{"read-only true"},
		},
		"a stopped thread": {
			change:    func(c machines) { c.at(1).source.Applier.State = database.Stopped },
			wantHeard: []string{"resume"},
		},
		"another password of the account": {
			change: func(c machines) {
				c.at(0).account = "other"
				c.at(1).source.Receiver = database.Thread{State: database.Connecting, Code: database.CodeAccessDenied}
			},
			wantHeard: []string{"follow db-0.db-headless"},
		},
		"a transaction that cannot be applied": {
			change: func(c machines) {
				c.at(1).source.Applier = database.Thread{State: database.Stopped, Code: 1062}
			},
			wantHeard: []string{"resume", "resume", "resume", "wipe", "follow db-0.db-headless"},
		},
		"an empty server, and a primary that has purged its logs": {
			change: func(c machines) {
				c.at(0).purged = true
				c.at(1).source, c.at(1).data, c.at(1).schemas = nil, nil, nil
			},
			wantHeard: []string{"clone db-0.db-headless", "follow db-0.db-headless"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newMachines(t, 2)
			c.settle()
			c.heard = nil
			test.change(c)
			deadline := time.Now().Add(10 * time.Second)
			for {
				if _, err := c.reconcile(); err != nil {
					t.Fatal(err)
				}
				if c.replicating() == "True Following" {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("not repaired: %s, heard %v", c.replicating(), c.heard)
				}
			}
			var heard []string
			for _, call := range c.heard {
				if what, ours := strings.CutPrefix(call, "db-1 "); ours {
					heard = append(heard, what)
				}
			}
			if diff := cmp.Diff(test.wantHeard, heard); diff != "" {
				t.Errorf("done at the replica (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.at(0).data, c.at(1).data); diff != "" {
				t.Errorf("data of the primary and the replica:\n%s", diff)
			}
		})
	}
}

// TestCopyThatFails is tried again, but not at once.
func TestCopyThatFails(t *testing.T) {
	c := newMachines(t, 2)
	clock := clocktesting.NewFakePassiveClock(testTime)
	c.reconciler.Clock = clock
	c.at(0).purged = true
	failing := true
	c.fakeServers.before = func(call string) error {
		if failing && strings.HasPrefix(call, "db-1 clone") {
			return errors.New("the disk is full")
		}
		return nil
	}
	reach := func(want string) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for c.replicating() != want {
			if _, err := c.reconcile(); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("Replicating is %s, want %s", c.replicating(), want)
			}
		}
	}
	reach("False ReplicaBroken")
	before := len(c.heard)
	c.settle()
	if got := c.heard[before:]; len(got) > 0 {
		t.Errorf("tried again at once: %v", got)
	}
	failing = false
	clock.SetTime(testTime.Add(copyRetry))
	reach("True Following")
}

func TestServersThatAreNotThere(t *testing.T) {
	c := newMachines(t, 1)
	c.at(0).down = true
	c.settle()
	if got := c.condition(v1.ConditionConfigurationApplied); !strings.HasPrefix(got, "False") {
		t.Errorf("ConfigurationApplied is %s", got)
	}
	delete(c.servers, "10.0.0.0")
	if err := c.server.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-0"}}); err != nil {
		t.Fatal(err)
	}
	result, err := c.reconcile()
	if err != nil || result.RequeueAfter != 0 {
		t.Errorf("with no server to look at: %v, again after %s", err, result.RequeueAfter)
	}
}

// TestAccessIsThatOfTheServers: a change of spec.tls that waits must not lock the controller out of servers as they
// are.
func TestAccessIsThatOfTheServers(t *testing.T) {
	instance := newInstance(elaborate)
	f := facts{certificate: certificateFacts{hash: "0123456789abcdef", hasAuthority: true, authority: []byte("PEM")}}
	now := rolloutOf(instance, f, "8.4.3", "mysql", nil)
	in := accessOf(pass{facts: f, plan: plan{rollout: now}})
	if in.mode != v1.TLSRequired || string(in.authority) != "PEM" {
		t.Errorf("got %s, authority %q", in.mode, in.authority)
	}
	plain := rolloutOf(newInstance(func(i *v1.MySQLInstance) { i.Spec.TLS.Mode = v1.TLSDisabled }), facts{}, "8.4.3", "mysql", nil)
	in = accessOf(pass{facts: f, plan: plan{rollout: plain}})
	if in.mode != v1.TLSDisabled || len(in.authority) > 0 {
		t.Errorf("got %s, authority %q", in.mode, in.authority)
	}
}
