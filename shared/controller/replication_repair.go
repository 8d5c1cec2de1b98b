package controller

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/log"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
)

// tendReplication makes ordinal 0 the primary and the others its replicas. Without the primary nothing is decided about
// anybody: what a replica has can only be judged by comparison.
func (r *Reconciler) tendReplication(
	ctx context.Context, instance *v1.MySQLInstance, in access, servers map[int]*server,
) {
	primary := servers[0]
	if primary == nil || primary.session == nil {
		return
	}
	if err := r.lead(ctx, instance, in, primary); err != nil {
		primary.failed = err
		return
	}
	source := r.sourceOf(instance, in, primary)
	replicas := map[int]*server{}
	for ordinal, s := range servers {
		if ordinal > 0 && s.session != nil && r.judge(ctx, instance, primary, s, source) {
			replicas[ordinal] = s
		}
	}
	if err := prepare(ctx, primary, replicas, source); err != nil {
		primary.failed = err
		return
	}
	each(replicas, func(s *server) {
		ctx, cancel := context.WithTimeout(ctx, visit)
		defer cancel()
		s.failed = r.repair(ctx, instance, in, s, source)
		if s.verdict.step != stepNone {
			log.FromContext(ctx).Info("repaired a replica", "pod", s.pod.Name, "step", s.verdict.step,
				"because", s.verdict.message, "failed", s.failed != nil)
			r.Metrics.repaired(s.verdict.step, s.failed)
		}
	})
}

// lead makes a server the primary. What it followed before, it follows no longer; what it has not taken from there by
// now, the others have, and are then found to be ahead of it.
func (r *Reconciler) lead(ctx context.Context, instance *v1.MySQLInstance, in access, s *server) error {
	ctx, cancel := context.WithTimeout(ctx, visit)
	defer cancel()
	if s.state.Source != nil || s.state.ReadOnly {
		log.FromContext(ctx).Info("made a server the primary", "pod", s.pod.Name)
		if err := s.session.Lead(ctx); err != nil {
			return err
		}
	}
	if *instance.Spec.Replicas == 1 {
		return nil
	}
	return s.session.EnsureReplicationUser(ctx, replicationUser, in.accounts.replication, false)
}

// sourceOf is how replicas reach the primary. It encrypts if the primary can.
func (r *Reconciler) sourceOf(instance *v1.MySQLInstance, in access, primary *server) database.Source {
	source := database.Source{
		Host: primary.pod.Name + "." + namesOf(instance).headlessService, Port: mysqlPort,
		User: replicationUser, Password: in.accounts.replication,
		Encrypted: primary.state.Encrypted,
	}
	if r.ReplicateByAddress {
		source.Host = primary.pod.Status.PodIP
	}
	if source.Encrypted && len(in.authority) > 0 {
		source.AuthorityFile = tlsDirectory + "/ca.crt"
	}
	return source
}

// judge compares a replica with its primary. It says whether there is a verdict.
func (r *Reconciler) judge(
	ctx context.Context, instance *v1.MySQLInstance, primary, s *server, source database.Source,
) bool {
	ctx, cancel := context.WithTimeout(ctx, visit)
	defer cancel()
	// The replica's state was read before this question, so that it is never ahead by what was written in between.
	lacks, err := primary.session.Lacks(ctx, s.state)
	if err != nil {
		s.failed = err
		return false
	}
	memory := r.memories.of(instance, s)
	s.judged = true
	s.verdict = decide(link{
		primary: primary.state, replica: s.state, lacks: lacks, source: source, resumed: memory.resumed,
		canClone: primary.session.Flavor().CanClone() && s.session.Flavor().CanClone(),
	})
	if s.verdict.step == stepClone {
		if may, why := memory.mayClone(r.Clock.Now()); !may {
			s.verdict = verdict{
				reason: ReasonReplicaBroken, message: "could not get a copy of the primary's data: " + withoutPorts(why),
			}
		}
	}
	switch {
	case s.verdict.reason == "":
		memory.resumed = 0
	case s.verdict.step == stepResume:
		memory.resumed++
	}
	return true
}

// prepare does at the primary what the replicas' steps need.
func prepare(ctx context.Context, primary *server, replicas map[int]*server, source database.Source) error {
	ctx, cancel := context.WithTimeout(ctx, visit)
	defer cancel()
	var renew, donate bool
	for _, s := range replicas {
		renew = renew || s.verdict.step == stepRenew
		donate = donate || s.verdict.step == stepClone
	}
	var err error
	if renew {
		err = primary.session.EnsureReplicationUser(ctx, source.User, source.Password, true)
	}
	if donate {
		err = errors.Join(err, primary.session.Donate(ctx))
	}
	return err
}

// repair does the step that was decided. Whatever it is, a replica refuses the writes of clients.
func (r *Reconciler) repair(
	ctx context.Context, instance *v1.MySQLInstance, in access, s *server, source database.Source,
) error {
	if !s.state.ReadOnly || s.session.Flavor().Product == database.MySQL && !s.state.SuperReadOnly {
		if err := s.session.SetReadOnly(ctx, true); err != nil {
			return err
		}
	}
	switch s.verdict.step {
	case stepFollow, stepRenew:
		return s.session.Follow(ctx, source)
	case stepResume:
		return s.session.Resume(ctx)
	case stepPause:
		return s.session.Pause(ctx)
	case stepWipe:
		r.memories.of(instance, s).resumed = 0
		return s.session.Wipe(ctx, replicationUser)
	case stepClone:
		r.clone(ctx, instance, in, s, source)
	}
	return nil
}

// clone copies the primary's data in the background. The server ends by it, and is found again as one that has data and
// follows nobody. If this process ends first, the copy is given up and the server is found empty again.
func (r *Reconciler) clone(
	ctx context.Context, instance *v1.MySQLInstance, in access, s *server, source database.Source,
) {
	target := in.targetOf(s.pod)
	target.Patient = true
	logger := log.FromContext(ctx).WithValues("pod", s.pod.Name)
	// The pass ends before the copy does.
	ctx = context.WithoutCancel(ctx)
	r.memories.of(instance, s).startCloning(r.Clock.Now(), func() error {
		session, err := r.Dialer.Dial(ctx, target)
		if err == nil {
			err = errors.Join(session.Clone(ctx, source), session.Close())
		}
		if err != nil {
			logger.Error(err, "could not copy the primary's data")
		}
		return err
	})
}
