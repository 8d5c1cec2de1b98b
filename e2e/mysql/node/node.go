// Package node plays the part of a node and its kubelet for the pods of MySQL servers: what a pod's container would
// run, it runs as a process of this machine, with the files, arguments and environment that the pod asks for.
//
// It exists because nothing else shows what the controller makes of real servers without containers, root or a cluster:
// pods become Ready because a server answers, have an address of their own (of the loopback network), end when their
// server has ended, and find the data of their claim again. Everything else, StatefulSets and volumes included, is done
// by kube-controller-manager as on any cluster. Paths in the container are replaced by directories of the node.
package node

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/process"
)

const (
	// Name of the node.
	Name = "duet-node"

	// look is how often the node looks for what it has to do.
	look = 100 * time.Millisecond
	// heartbeat is how often it says that it is alive; after 40 s of silence its pods would be taken away.
	heartbeat = 5 * time.Second
)

// Node runs the pods of a control plane.
type Node struct {
	client  kubernetes.Interface
	runner  process.Runner
	program Program
	// network is the third byte of the pods' addresses, so that two nodes do not meet.
	network int
	dir     string
	out     io.Writer

	mutex   sync.Mutex
	running map[types.UID]*running
	started int
	volumes map[types.UID]*sync.Mutex

	stop context.CancelFunc
	done chan struct{}
}

// running is a pod that the node runs.
type running struct {
	pod  *corev1.Pod
	stop context.CancelFunc
	done chan struct{}
}

// Start registers a node and runs pods until Stop, with a runner whose processes end with the control plane. Data is
// below dir, whose path must be short: the servers have sockets there. network, 1 to 100, tells apart nodes on one
// machine.
func Start(
	ctx context.Context, config *rest.Config, runner process.Runner, program Program, dir string, network int,
	out io.Writer,
) (*Node, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("could not make the node's client: %w", err)
	}
	n := &Node{
		client: client, runner: runner, program: program, network: network, dir: dir, out: out,
		running: map[types.UID]*running{}, volumes: map[types.UID]*sync.Mutex{}, done: make(chan struct{}),
	}
	if err := n.register(ctx); err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	go func() {
		defer close(n.done)
		var group sync.WaitGroup
		group.Go(func() { wait.UntilWithContext(run, n.beat, heartbeat) })
		group.Go(func() { wait.UntilWithContext(run, n.sync, look) })
		group.Wait()
	}()
	return n, nil
}

// Stop ends every server and returns when they are gone. The pods stay, as on a node that was switched off.
func (n *Node) Stop() {
	n.stop()
	<-n.done
	n.mutex.Lock()
	pods := slices.Collect(maps.Values(n.running))
	n.mutex.Unlock()
	for _, r := range pods {
		r.stop()
	}
	for _, r := range pods {
		<-r.done
	}
}

func (n *Node) log(format string, args ...any) {
	fmt.Fprintf(n.out, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
}

func (n *Node) register(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: Name}}
	node, err := n.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not register the node: %w", err)
	}
	now := metav1.Now()
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Processes",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	if _, err := n.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("could not say that the node is ready: %w", err)
	}
	return nil
}

// beat renews the node's lease.
func (n *Node) beat(ctx context.Context) {
	leases := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	lease, err := leases.Get(ctx, Name, metav1.GetOptions{})
	spec := coordinationv1.LeaseSpec{
		HolderIdentity: ptr.To(Name), LeaseDurationSeconds: ptr.To[int32](40), RenewTime: &metav1.MicroTime{Time: time.Now()},
	}
	switch {
	case apierrors.IsNotFound(err):
		made := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: Name}, Spec: spec}
		_, err = leases.Create(ctx, made, metav1.CreateOptions{})
	case err == nil:
		lease.Spec = spec
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	n.complain(ctx, "renew the lease", err)
}

// complain tells of what will be tried again.
func (n *Node) complain(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		n.log("could not %s: %v", what, err)
	}
}

// sync looks at everything once.
func (n *Node) sync(ctx context.Context) {
	n.complain(ctx, "bind the claims", n.bindClaims(ctx))
	pods, err := n.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		n.complain(ctx, "list the pods", err)
		return
	}
	present := map[types.UID]bool{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		present[pod.UID] = true
		switch {
		case pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil:
			n.complain(ctx, "bind pod "+pod.Name, n.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID},
				Target:     corev1.ObjectReference{Kind: "Node", Name: Name},
			}, metav1.CreateOptions{}))
		case pod.Spec.NodeName == Name:
			n.look(ctx, pod)
		}
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for uid, r := range n.running {
		if !present[uid] {
			r.stop()
			delete(n.running, uid)
		}
	}
}

// look starts a pod or, if it is being deleted, stops it.
func (n *Node) look(ctx context.Context, pod *corev1.Pod) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	r := n.running[pod.UID]
	switch {
	case r != nil && pod.DeletionTimestamp != nil:
		r.stop()
	case r == nil && pod.DeletionTimestamp != nil:
		n.complain(ctx, "let go of pod "+pod.Name, n.release(ctx, pod))
	case r == nil && (pod.Status.Phase == corev1.PodPending || pod.Status.Phase == ""):
		run, stop := context.WithCancel(context.WithoutCancel(ctx))
		r = &running{pod: pod, stop: stop, done: make(chan struct{})}
		n.running[pod.UID] = r
		go func() {
			defer close(r.done)
			defer stop()
			n.run(run, pod)
		}()
	}
}

// release says that a pod's processes have ended.
func (n *Node) release(ctx context.Context, pod *corev1.Pod) error {
	err := n.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(pod.UID)),
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// address of the next pod. None is used twice, as pods get new ones on a cluster.
func (n *Node) address() string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.started++
	return fmt.Sprintf("127.%d.%d.%d", 64+n.network, n.started/250, 1+n.started%250)
}

// podDir is what a pod leaves behind: its option file and its log.
func (n *Node) podDir(pod *corev1.Pod) (string, error) {
	dir := filepath.Join(n.dir, "pods", string(pod.UID)[:8])
	return dir, os.MkdirAll(dir, 0o755)
}
