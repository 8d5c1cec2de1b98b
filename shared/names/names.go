// Package names is how the objects of an instance are called. It exists apart from the controller because who only looks
// for such an object, as a subresource of the aggregated form does, must not link the controller, and must not have a
// second opinion about its name.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// MaxBaseLength leaves room for the longest suffix within 63 characters (52 for a CronJob), and for the hash that the
// StatefulSet controller adds to the names of its revisions, which are label values too.
const MaxBaseLength = 43

// Base is what the names of an instance's children begin with: the instance's name where it can name a Service and a
// pod's host, which an object name need not, since those are labels, no subdomains, and begin with a letter. Any other
// name becomes a readable beginning and a hash.
func Base(instance string) string {
	if len(instance) <= MaxBaseLength && len(validation.IsDNS1035Label(instance)) == 0 {
		return instance
	}
	sum := sha256.Sum256([]byte(instance))
	readable := "mysql-" + strings.ReplaceAll(instance, ".", "-")
	const hashLength = 10
	if most := MaxBaseLength - hashLength - 1; len(readable) > most {
		readable = readable[:most]
	}
	return strings.TrimRight(readable, "-") + "-" + hex.EncodeToString(sum[:])[:hashLength]
}

// Labels of everything that belongs to an instance. LabelManagedBy has the value ManagedBy, LabelInstance the one of
// Base.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	ManagedBy      = "duet-controller"
)

// Labels of everything that belongs to an instance. They select its servers' pods and never change: a StatefulSet's
// selector cannot.
func Labels(instance string) map[string]string {
	return map[string]string{LabelManagedBy: ManagedBy, LabelName: "mysql", LabelInstance: Base(instance)}
}

// Server is the pod of an ordinal, as the StatefulSet controller names it.
func Server(instance string, ordinal int) string { return Base(instance) + "-" + strconv.Itoa(ordinal) }

// The container of a server's pod that runs MySQL, and the port that it listens on.
const (
	ServerContainer = "mysql"
	ServerPort      = 3306
)

// RootSecret is the Secret with the root password that the controller makes if the spec names none.
func RootSecret(instance string) string {
	if name := instance + "-root"; len(validation.IsDNS1123Subdomain(name)) == 0 {
		return name
	}
	return Base(instance) + "-root"
}

// RootSecretKey of the password in that Secret.
const RootSecretKey = "password"

// RootSecretRef is where the root password is: in the Secret that the spec names, or in the one that the controller made.
func RootSecretRef(instance *v1.MySQLInstance) v1.SecretKeyReference {
	if instance.Spec.Credentials != nil {
		return instance.Spec.Credentials.RootSecretRef
	}
	return v1.SecretKeyReference{Name: RootSecret(instance.Name), Key: RootSecretKey}
}

// Backup of an instance: its CronJob, the claim of the volume with its backups, and the ConfigMap with their scripts.
func Backup(instance string) string { return Base(instance) + "-backup" }
