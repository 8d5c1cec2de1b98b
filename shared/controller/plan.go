package controller

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/duet-api/duet/shared/api/mysql/release"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// plan is what one pass makes of the servers, and what it leaves for later.
type plan struct {
	// rollout that the children are made of.
	rollout rollout
	// held are the changes that wait for the maintenance window, in words.
	held []string
	// opens is when the window opens next; zero if nothing waits for it.
	opens time.Time
	// version is where spec.version and spec.minorUpgradePolicy lead in the end.
	version string
}

// planRollout decides which roll-out the servers have, of the one that is in force and the one that the spec asks for.
//
// A change of it waits for the maintenance window, unless there is nothing to disrupt: before the first roll-out is
// complete, and while the servers are stopped or being started from there. A roll-out that has begun goes on to its end,
// and other changes made meanwhile join it: its servers are being restarted anyway, and a change may be what mends it.
func planRollout(instance *v1.MySQLInstance, f facts, repository string, now time.Time) (plan, error) {
	inForce, err := rolloutInForce(instance, f)
	if err != nil {
		return plan{}, err
	}
	p := plan{version: wantedVersion(instance)}
	wanted := rolloutOf(instance, f, nextVersion(p.version, inForce), repository, inForce)
	switch {
	case inForce == nil:
		p.rollout = wanted
	case inForce.same(wanted):
		p.rollout = wanted
		p.rollout.Complete = inForce.Complete
	case !inForce.Complete, nothingRuns(instance, f), windowOpen(instance.Spec.MaintenanceWindow, now):
		p.rollout = wanted
	default:
		p.rollout = *inForce
		if p.rollout.Settings == nil {
			p.rollout.Settings = wanted.Settings
		}
		p.held = p.rollout.changesTo(wanted)
		p.opens = nextOpening(instance.Spec.MaintenanceWindow, now)
	}
	return p, nil
}

// waiting says what waits and until when; empty if nothing does.
func (p plan) waiting() string {
	if len(p.held) == 0 {
		return ""
	}
	return fmt.Sprintf("waiting for the maintenance window that opens at %s: %s",
		p.opens.Format(time.RFC3339), strings.Join(p.held, "; "))
}

// rolloutInForce is the recorded one. If its record is lost, it is what the StatefulSet says itself. It is nil before
// there was one.
func rolloutInForce(instance *v1.MySQLInstance, f facts) (*rollout, error) {
	if f.recorded == nil && f.set == nil {
		return nil, nil
	}
	if f.recorded == nil {
		found, err := rolloutOfSet(f.set)
		if found != nil {
			found.Complete = everyServerRuns(instance, f)
		}
		return found, err
	}
	r := *f.recorded
	made := f.set != nil && f.set.Annotations[annotationRollout] == r.hash()
	r.Complete = r.Complete || made && everyServerRuns(instance, f)
	return &r, nil
}

// everyServerRuns says whether every server runs as the StatefulSet says now, and serves.
func everyServerRuns(instance *v1.MySQLInstance, f facts) bool {
	wanted := int(wantedServers(instance))
	if wanted == 0 || f.set.Status.ObservedGeneration < f.set.Generation {
		return false
	}
	for ordinal := range wanted {
		if pod := f.pods[ordinal]; pod == nil || !serves(pod) || outdated(pod, f.set) {
			return false
		}
	}
	return true
}

// outdated says whether a pod is to be replaced by one of the StatefulSet's newest template.
func outdated(pod *corev1.Pod, set *appsv1.StatefulSet) bool {
	return pod.Labels[appsv1.ControllerRevisionHashLabelKey] != set.Status.UpdateRevision
}

// nothingRuns says whether the servers are stopped, going down for it, or not started again yet.
func nothingRuns(instance *v1.MySQLInstance, f facts) bool {
	return wantedServers(instance) == 0 || f.set != nil && f.set.Spec.Replicas != nil && *f.set.Spec.Replicas == 0
}

// wantedVersion is where the spec leads: to its version or, if it asks for that, to the newest of the version's series.
func wantedVersion(instance *v1.MySQLInstance) string {
	asked, err := release.Parse(instance.Spec.Version)
	if err != nil || instance.Spec.MinorUpgradePolicy != v1.MinorUpgradeAutomatic {
		return instance.Spec.Version
	}
	newest, err := release.Parse(asked.Series().Newest)
	if err != nil || newest.Compare(asked) < 0 {
		return instance.Spec.Version
	}
	return newest.String()
}

// nextVersion is the next one on the way to the wanted version. It never falls. It enters another series only once
// every server has run the version before it, and then only the next series, as MySQL upgrades its data.
func nextVersion(wanted string, inForce *rollout) string {
	if inForce == nil {
		return wanted
	}
	to, err := release.Parse(wanted)
	if err != nil {
		return wanted
	}
	from, err := release.Parse(inForce.Version)
	switch {
	case err != nil:
		return wanted
	case to.Compare(from) < 0:
		return from.String()
	case to.Series().Name == from.Series().Name:
		return wanted
	case !inForce.Complete:
		return from.String()
	}
	return from.Towards(to).String()
}

// versionNote says why the servers have, or are to have, another version than spec.version; empty if they do not.
// asAsked is false if that is not what the spec asks for.
func (p plan) versionNote(instance *v1.MySQLInstance) (note string, asAsked bool) {
	spec, runs := instance.Spec.Version, p.rollout.Version
	switch {
	case runs == spec && p.version == spec:
		return "", true
	case runs == p.version:
		return fmt.Sprintf("the servers' version is %s, the newest of its series, because spec.minorUpgradePolicy is "+
			"Automatic", runs), true
	case newer(runs, p.version):
		return fmt.Sprintf("the servers keep version %s, because a version never falls: set spec.version to it", runs), false
	case len(p.held) > 0:
		return "", false
	}
	return fmt.Sprintf("version %s follows once every server has run %s: MySQL upgrades its data by one release series "+
		"at a time", p.version, runs), false
}

func newer(a, b string) bool {
	x, errX := release.Parse(a)
	y, errY := release.Parse(b)
	return errX == nil && errY == nil && x.Compare(y) > 0
}
