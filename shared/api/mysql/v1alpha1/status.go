package v1alpha1

import (
	"net"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// What v1 reports and v1alpha1 has no field for. phase and message come from the conditions and never become any:
// nothing that a client writes there can contradict the conditions that were carried.
const (
	conditionsPath      = "status.conditions"
	selectorPath        = "status.selector"
	primaryPath         = "status.primary"
	storageCapacityPath = "status.storageCapacity"
	lastBackupTimePath  = "status.lastBackupTime"
)

var endpoint = pair[*v1.Endpoint, string]{
	v1: "status.endpoint", v1alpha1: "address",
	toV1: func(address string) *v1.Endpoint {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil
		}
		number, err := strconv.ParseInt(port, 10, 32)
		if err != nil {
			return nil
		}
		return &v1.Endpoint{Host: host, Port: int32(number)}
	},
	fromV1: func(e *v1.Endpoint) string {
		if e == nil {
			return ""
		}
		return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
	},
	sameV1:       func(a, b *v1.Endpoint) bool { return samePointer(a, b, same) },
	sameV1alpha1: same[string],
}

func statusToV1(l *luggage, in *MySQLInstanceStatus) v1.MySQLInstanceStatus {
	out := v1.MySQLInstanceStatus{
		Conditions:         only[[]metav1.Condition](l, conditionsPath),
		ObservedGeneration: in.ObservedGeneration,
		Replicas:           in.Replicas,
		ReadyReplicas:      in.ReadyReplicas,
		Selector:           only[string](l, selectorPath),
		CurrentVersion:     in.CurrentVersion,
		Primary:            only[string](l, primaryPath),
		Endpoint:           endpoint.toV1(in.Address),
		StorageCapacity:    only[*resource.Quantity](l, storageCapacityPath),
		LastBackupTime:     only[*metav1.Time](l, lastBackupTimePath),
	}
	// An address that is none is not kept for validation, as a spec's field would be: a status is not its author's wish.
	if carried, ok := take[*v1.Endpoint](l, endpoint.v1); ok && endpoint.fromV1(carried) == in.Address {
		out.Endpoint = carried
	}
	return out
}

func statusFromV1(l *luggage, in *v1.MySQLInstance) MySQLInstanceStatus {
	status := &in.Status
	if len(status.Conditions) > 0 {
		keep(l, conditionsPath, status.Conditions)
	}
	keepOnly(l, selectorPath, status.Selector)
	keepOnly(l, primaryPath, status.Primary)
	keepOnly(l, storageCapacityPath, status.StorageCapacity)
	keepOnly(l, lastBackupTimePath, status.LastBackupTime)
	phase, message := summarize(in)
	return MySQLInstanceStatus{
		ObservedGeneration: status.ObservedGeneration,
		Phase:              phase,
		Message:            message,
		Address:            fromV1(l, endpoint, status.Endpoint),
		Replicas:           status.Replicas,
		ReadyReplicas:      status.ReadyReplicas,
		CurrentVersion:     status.CurrentVersion,
	}
}

// summarize puts the conditions into one word and one sentence, as v1alpha1's clients know them.
func summarize(in *v1.MySQLInstance) (Phase, string) {
	ready := meta.FindStatusCondition(in.Status.Conditions, v1.ConditionReady)
	progressing := meta.FindStatusCondition(in.Status.Conditions, v1.ConditionProgressing)
	switch {
	case ready == nil:
		return PhasePending, ""
	case in.Spec.PowerState == v1.PowerStopped && in.Status.ReadyReplicas == 0:
		return PhaseStopped, ready.Message
	case ready.Status == metav1.ConditionTrue:
		return PhaseRunning, ready.Message
	case progressing != nil && progressing.Status == metav1.ConditionTrue:
		if in.Status.CurrentVersion == "" {
			return PhasePending, progressing.Message
		}
		return PhaseUpdating, progressing.Message
	default:
		return PhaseFailed, ready.Message
	}
}
