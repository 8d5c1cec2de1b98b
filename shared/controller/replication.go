package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
)

const (
	// lookAgain is how often the servers of an instance are looked at while nothing is wrong: nothing else tells of a
	// thread that stopped.
	lookAgain = 15 * time.Second
	// lookSoon is the pause while something is to be seen through.
	lookSoon = 2 * time.Second
	// visit is the time for one server and one purpose, so that a server that hangs holds up one worker, and not for long.
	visit = 10 * time.Second
)

// server is one server as it was found, and what was made of it.
type server struct {
	ordinal int
	pod     *corev1.Pod
	session database.Server
	state   database.State
	// unreachable says why there is no session; empty if there is one.
	unreachable string
	// refusesPasswords is true if the server accepts none of those that the controller knows.
	refusesPasswords bool
	// judged is true if the server is a replica whose verdict could be found, and verdict is it.
	judged  bool
	verdict verdict
	// refused are the settings that could not be set, as "name: why".
	refused []string
	// settings are the names to be remembered at the pod; nil if those that it has are to stay.
	settings []string
	// failed says what went wrong while the server was looked after.
	failed error
}

// tendServers looks after the servers of an instance over SQL. It returns what it found by ordinal, and when to look
// again. An error is one of the API server: what goes wrong with a server is in the report about it.
func (r *Reconciler) tendServers(
	ctx context.Context, instance *v1.MySQLInstance, did pass, o observation,
) (map[int]*server, time.Duration, error) {
	if r.Dialer == nil {
		return nil, 0, nil
	}
	in := accessOf(did)
	servers := map[int]*server{}
	for ordinal := range int(wantedServers(instance)) {
		if pod := o.pods[ordinal]; pod != nil && runs(pod) {
			servers[ordinal] = &server{ordinal: ordinal, pod: pod}
		}
	}
	r.memories.keep(client.ObjectKeyFromObject(instance), servers)
	each(servers, func(s *server) { r.open(ctx, instance, in, s) })
	defer func() {
		for _, s := range servers {
			if s.session != nil {
				_ = s.session.Close() // it was for this pass only, and what it was for is done
			}
		}
	}()
	r.tendReplication(ctx, instance, in, servers)
	each(servers, func(s *server) { r.tendSettings(ctx, instance, s) })
	r.Metrics.observeServers(instance, servers)

	err := r.markPods(ctx, o, servers)
	if len(in.accounts.earlier) > 0 && err == nil {
		err = r.endRotation(ctx, instance, in, o, servers)
	}
	return servers, pauseAfter(servers), err
}

// runs says whether there may be a server to talk to.
func runs(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && pod.Status.PodIP != "" && pod.Status.Phase == corev1.PodRunning
}

func pauseAfter(servers map[int]*server) time.Duration {
	pause := time.Duration(0)
	for _, s := range servers {
		if pause == 0 {
			pause = lookAgain
		}
		moves := s.verdict.reason == ReasonReplicaStarting || s.verdict.reason == ReasonReplicaRebuilding
		if moves || s.verdict.step != stepNone || database.IsAccessDenied(s.failed) {
			pause = lookSoon
		}
	}
	return pause
}

// each does something with all servers at once.
func each(servers map[int]*server, do func(*server)) {
	var group errgroup.Group
	for _, s := range servers {
		group.Go(func() error {
			do(s)
			return nil
		})
	}
	_ = group.Wait() // do has no error of its own
}

// open logs in to a server and reads its state. A server that has an earlier root password gets the newest one.
func (r *Reconciler) open(ctx context.Context, instance *v1.MySQLInstance, in access, s *server) {
	if cloning := r.memories.of(instance, s).cloning(); cloning != "" {
		s.judged, s.verdict = true, verdict{reason: ReasonReplicaRebuilding, message: cloning}
		s.unreachable = "it is being made anew"
		return
	}
	ctx, cancel := context.WithTimeout(ctx, visit)
	defer cancel()
	session, err := r.login(ctx, in, s.pod)
	if err == nil {
		s.state, err = session.State(ctx)
		if err != nil {
			_ = session.Close() // the first error says more
		}
	}
	if err != nil {
		s.unreachable = withoutPorts(err)
		s.refusesPasswords = database.IsAccessDenied(err)
		log.FromContext(ctx).V(1).Info("could not look after a server", "pod", s.pod.Name, "reason", s.unreachable)
		return
	}
	s.session = session
}

// login tries the newest password first and then those that the server may still have.
func (r *Reconciler) login(ctx context.Context, in access, pod *corev1.Pod) (database.Server, error) {
	target := in.targetOf(pod)
	session, err := r.Dialer.Dial(ctx, target)
	if !database.IsAccessDenied(err) {
		return session, err
	}
	for _, earlier := range in.accounts.earlier {
		target.Password = earlier
		old, tried := r.Dialer.Dial(ctx, target)
		if database.IsAccessDenied(tried) {
			continue
		}
		if tried != nil {
			return nil, tried
		}
		changed := old.SetRootPassword(ctx, in.accounts.root)
		_ = old.Close() // nothing more is asked of it
		if changed != nil {
			return nil, changed
		}
		log.FromContext(ctx).Info("changed the root password of a server", "pod", pod.Name)
		return r.Dialer.Dial(ctx, in.targetOf(pod))
	}
	return nil, err
}

// access is what it takes to get into the servers, and to let them into each other.
type access struct {
	accounts accounts
	// mode that the servers were started with.
	mode v1.TLSMode
	// authority that signed their certificates, in PEM; empty if there is none.
	authority []byte
}

// accessOf the servers as they are now: a change of spec.tls that waits for the maintenance window is none yet.
func accessOf(did pass) access {
	in := access{accounts: did.facts.accounts, mode: did.plan.rollout.tlsMode()}
	if did.plan.rollout.authority() != "" {
		in.authority = did.facts.certificate.authority
	}
	return in
}

func (in access) targetOf(pod *corev1.Pod) database.Target {
	return database.TargetOf(in.mode, pod.Status.PodIP, in.accounts.root, in.authority)
}

// withoutPorts is an error's text without the ports of this side, which are others each time: a condition with them
// would be written again and again.
func withoutPorts(err error) string {
	text := err.Error()
	var op *net.OpError
	if errors.As(err, &op) && op.Source != nil {
		text = strings.ReplaceAll(text, op.Source.String()+"->", "")
	}
	return text
}

// endRotation forgets the earlier passwords once every volume was seen with the newest one.
func (r *Reconciler) endRotation(
	ctx context.Context, instance *v1.MySQLInstance, in access, o observation, servers map[int]*server,
) error {
	for ordinal := range o.claims {
		if s := servers[ordinal]; s == nil || s.session == nil {
			return nil
		}
	}
	if len(o.claims) < len(servers) {
		// The cache is behind.
		return nil
	}
	each(servers, func(s *server) {
		ctx, cancel := context.WithTimeout(ctx, visit)
		defer cancel()
		s.failed = errors.Join(s.failed, r.discard(ctx, in, s))
	})
	if slices.ContainsFunc(slices.Collect(maps.Values(servers)), func(s *server) bool { return s.failed != nil }) {
		// It is in the report, and the next pass does it again.
		return nil
	}
	log.FromContext(ctx).Info("every server has the newest root password")
	return r.forgetEarlier(ctx, instance, in.accounts)
}

// discard leaves a server with one password. Which of two it was logged in to with, a server does not tell; so the
// login is tried again, and if the newest one was discarded, the next pass finds the other one and changes it.
func (r *Reconciler) discard(ctx context.Context, in access, s *server) error {
	if err := s.session.DiscardOldPassword(ctx); err != nil {
		return err
	}
	again, err := r.Dialer.Dial(ctx, in.targetOf(s.pod))
	if err != nil {
		return err
	}
	return again.Close()
}

// tendSettings brings the settings that need no restart into force.
func (r *Reconciler) tendSettings(ctx context.Context, instance *v1.MySQLInstance, s *server) {
	if s.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, visit)
	defer cancel()
	var before []string
	var err error
	if remembered, known := s.pod.Annotations[annotationLiveSettings]; known {
		before = strings.Split(remembered, ",")
	} else {
		before, err = startedWith(ctx, s.session)
	}
	var settings []string
	if err == nil {
		settings, s.refused, err = applyLive(ctx, s.session, liveSettings(instance, memoryOf(s.pod)), before,
			r.memories.of(instance, s).shown)
	}
	if err != nil {
		s.failed = errors.Join(s.failed, err)
		return
	}
	s.settings = settings
}

// markPods writes at each pod which role its server has and which settings it was given.
func (r *Reconciler) markPods(ctx context.Context, o observation, servers map[int]*server) error {
	for ordinal, pod := range o.pods {
		before := pod.DeepCopy()
		s := servers[ordinal]
		switch {
		case ordinal == 0 || s != nil && s.unfit():
			delete(pod.Labels, labelRole)
		case s != nil && s.judged && s.verdict.reason == "":
			metav1.SetMetaDataLabel(&pod.ObjectMeta, labelRole, roleReplica)
		}
		if s != nil && s.settings != nil {
			metav1.SetMetaDataAnnotation(&pod.ObjectMeta, annotationLiveSettings, strings.Join(s.settings, ","))
		}
		if pod.Labels[labelRole] == before.Labels[labelRole] &&
			pod.Annotations[annotationLiveSettings] == before.Annotations[annotationLiveSettings] {
			continue
		}
		err := r.Client.Patch(ctx, pod, client.MergeFrom(before), client.FieldOwner(FieldManager))
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("could not mark pod %s: %w", pod.Name, err)
		}
	}
	return nil
}

// unfit says whether reads must not come to a replica. One of which nothing is known, such as while the primary is
// away, stays what it was: that nobody can be asked is no reason to stop serving.
func (s *server) unfit() bool {
	if !s.judged || s.verdict.reason == "" {
		return false
	}
	return s.verdict.reason != ReasonReplicaStarting || s.verdict.step != stepNone
}

// memoryOf the container that the server is in.
func memoryOf(pod *corev1.Pod) resource.Quantity {
	for _, c := range pod.Spec.Containers {
		if c.Name == containerName {
			return *c.Resources.Limits.Memory()
		}
	}
	return resource.Quantity{}
}
