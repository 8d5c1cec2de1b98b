package controller_test

import (
	"context"
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/names"
)

// restarts is what a watch of the pods saw: which servers were taken away, in which order, and whether all others
// served at that moment.
type restarts struct {
	mu    sync.Mutex
	first map[string]types.UID
	ready map[string]bool
	gone  []string
	alone []string
}

// watchRestarts begins to watch, and ends with the spec. The servers that it begins with are all ready.
func (s *stage) watchRestarts(ctx context.Context, before world) *restarts {
	GinkgoHelper()
	r := &restarts{first: before.Pods, ready: map[string]bool{}}
	for name := range before.Pods {
		r.ready[name] = true
	}
	watched, err := s.Watch(ctx, &corev1.PodList{}, client.InNamespace(s.namespace), client.MatchingLabels(names.Labels(instanceName)))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(watched.Stop)
	go func() {
		for event := range watched.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok {
				r.see(event.Type, pod)
			}
		}
	}()
	return r
}

func (r *restarts) see(what watch.EventType, pod *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	going := what == watch.Deleted || pod.DeletionTimestamp != nil
	if going && r.ready[pod.Name] && r.first[pod.Name] == pod.UID {
		r.gone = append(r.gone, pod.Name)
		for other, ready := range r.ready {
			if other != pod.Name && !ready {
				r.alone = append(r.alone, fmt.Sprintf("%s was taken away while %s was not ready", pod.Name, other))
			}
		}
	}
	r.ready[pod.Name] = !going && podReady(pod)
}

// taken are the servers that were taken away, in that order.
func (r *restarts) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.gone...)
}

// faults are the servers that were taken away when another one did not serve.
func (r *restarts) faults() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.alone...)
}

// expectRolled holds when every server was replaced once, the replicas before the primary, one at a time.
func (r *restarts) expectRolled(ctx context.Context) {
	GinkgoHelper()
	var wanted []string
	for i := len(r.first) - 1; i >= 0; i-- {
		wanted = append(wanted, names.Server(instanceName, i))
	}
	Eventually(r.taken).WithContext(ctx).Should(Equal(wanted))
	Expect(r.faults()).To(BeEmpty())
}
