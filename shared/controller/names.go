package controller

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// FieldManager owns every field that the controller sets. It is also the name in its events and metrics.
const FieldManager = names.ManagedBy

// VolumesFinalizer holds a deleted instance until its deletionPolicy was obeyed.
const VolumesFinalizer = v1.GroupName + "/volumes"

// Labels of everything that belongs to an instance. The caches of the controller see only objects with LabelManagedBy,
// and labelInstance leads from any of them back to its instance.
const (
	LabelManagedBy = names.LabelManagedBy
	labelName      = names.LabelName
	labelInstance  = names.LabelInstance
	labelVersion   = "app.kubernetes.io/version"
	// labelPodIndex is set by the StatefulSet controller.
	labelPodIndex = "apps.kubernetes.io/pod-index"
	// labelRole is given to a pod once its server follows the primary, so that no client of the read Service meets a
	// server with other data. Replication is what sets it: without replication the read Service has no endpoints.
	labelRole   = v1.GroupName + "/role"
	roleReplica = "replica"
)

// Annotations of the controller.
const (
	// annotationRollout on the ConfigMap is the roll-out that is in force; on the StatefulSet, the hash of the one that
	// it was made of.
	annotationRollout = v1.GroupName + "/rollout"
	// annotationConfigurationHash on the pod template restarts the servers when a setting changes that they read only
	// when they start.
	annotationConfigurationHash = v1.GroupName + "/configuration-hash"
	// annotationCertificateHash on the pod template restarts the servers when their certificate is renewed.
	annotationCertificateHash = v1.GroupName + "/certificate-hash"
	// annotationRootSecret on a volume names the Secret whose password its data was made with, as name/key/uid. MySQL
	// reads the password only while it makes the data.
	annotationRootSecret = v1.GroupName + "/root-secret"
)

const (
	mysqlPort     = names.ServerPort
	mysqlPortName = "mysql"
	dataVolume    = "data"
)

// childNames are the names of an instance's children. No two suffixes of one kind end alike, so the children of the
// instances a and a-b never meet.
type childNames struct {
	// base names the StatefulSet and the PodDisruptionBudget, and is the value of labelInstance.
	base string
	// rootSecret is the generated Secret.
	rootSecret                       string
	configMap                        string
	primaryService, readService      string
	headlessService                  string
	statefulSet, podDisruptionBudget string
}

func namesOf(instance *v1.MySQLInstance) childNames {
	base := names.Base(instance.Name)
	return childNames{
		base:                base,
		rootSecret:          names.RootSecret(instance.Name),
		configMap:           base + "-config",
		primaryService:      base + "-primary",
		readService:         base + "-read",
		headlessService:     base + "-headless",
		statefulSet:         base,
		podDisruptionBudget: base,
	}
}

// selectorLabels mark the servers' pods and, through the StatefulSet's claim template, their volumes. They never
// change: a StatefulSet's selector cannot.
func selectorLabels(instance *v1.MySQLInstance) map[string]string {
	return names.Labels(instance.Name)
}

func selector(instance *v1.MySQLInstance) labels.Selector {
	return labels.SelectorFromSet(selectorLabels(instance))
}

// podName is the name that the StatefulSet controller gives to the pod of an ordinal.
func podName(instance *v1.MySQLInstance, ordinal int) string {
	return names.Server(instance.Name, ordinal)
}

// podOrdinal says which server a pod is, and whether it is named as one of this instance at all.
func podOrdinal(instance *v1.MySQLInstance, pod string) (int, bool) {
	return ordinalAfter(namesOf(instance).statefulSet+"-", pod)
}

// claimOrdinal says which server a claim belongs to, and whether it has the name of a data volume of this instance at
// all: labels can be put on anything.
func claimOrdinal(instance *v1.MySQLInstance, claim string) (int, bool) {
	return ordinalAfter(dataVolume+"-"+namesOf(instance).statefulSet+"-", claim)
}

func ordinalAfter(prefix, name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	ordinal, err := strconv.Atoi(rest)
	return ordinal, err == nil && ordinal >= 0 && strconv.Itoa(ordinal) == rest
}
