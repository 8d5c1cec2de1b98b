package controller

import (
	"crypto/sha256"
	"encoding/hex"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const (
	optionFile      = "my.cnf"
	optionDirectory = "/etc/mysql/conf.d"
	// dataDirectory is below the volume's root, where a file system may keep things of its own (lost+found) that would
	// stop MySQL from making its data.
	dataDirectory = "/var/lib/mysql/data"
	tlsDirectory  = "/etc/mysql/tls"
)

// configuration is the ConfigMap with the option file: the settings of the roll-out, which need a start of the servers,
// and those that are in force at any time. The roll-out itself is written beside the file.
func configuration(instance *v1.MySQLInstance, now rollout) *corev1ac.ConfigMapApplyConfiguration {
	return corev1ac.ConfigMap(namesOf(instance).configMap, instance.Namespace).
		WithLabels(selectorLabels(instance)).
		WithAnnotations(map[string]string{annotationRollout: now.String()}).
		WithOwnerReferences(ownerReference(instance)).
		WithData(map[string]string{optionFile: optionFileOf(liveSettings(instance, now.memory()), now.Settings)})
}

// shortHash of content, to put into an annotation.
func shortHash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:8])
}
