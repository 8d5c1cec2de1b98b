// Package names is how the objects of an instance are called. It exists apart from the controller because who only looks
// for such an object, as a subresource of the aggregated form does, must not link the controller, and must not have a
// second opinion about its name.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
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

// Backup of an instance: its CronJob, the claim of the volume with its backups, and the ConfigMap with their scripts.
func Backup(instance string) string { return Base(instance) + "-backup" }
