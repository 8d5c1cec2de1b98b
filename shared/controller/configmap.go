package controller

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const (
	optionFile = "my.cnf"
	// dataDirectory is below the volume's root, where a file system may keep things of its own (lost+found) that would
	// stop MySQL from making its data.
	dataDirectory = "/var/lib/mysql/data"
	tlsDirectory  = "/etc/mysql/tls"

	// smallestBufferPool is the least that MySQL accepts, in bytes.
	smallestBufferPool = 5 << 20
)

// setting is one line of the option file.
type setting struct{ name, value string }

// configuration is the ConfigMap with the option file.
func configuration(instance *v1.MySQLInstance, f facts) *corev1ac.ConfigMapApplyConfiguration {
	return corev1ac.ConfigMap(namesOf(instance).configMap, instance.Namespace).
		WithLabels(selectorLabels(instance)).
		WithOwnerReferences(ownerReference(instance)).
		WithData(map[string]string{optionFile: optionFileOf(instance, f)})
}

// optionFileOf renders the parameters, sorted by name so that their order in the spec restarts nothing, and after them
// the settings that the controller owns: in an option file the last line wins.
func optionFileOf(instance *v1.MySQLInstance, f facts) string {
	var b strings.Builder
	b.WriteString("# Written by duet-controller. Changes are undone; set spec.parameters of the MySQLInstance instead.\n")
	b.WriteString("[mysqld]\n")
	write := func(settings []setting) {
		for _, s := range settings {
			fmt.Fprintf(&b, "%s = %s\n", s.name, quoteOption(s.value))
		}
	}
	write(defaultSettings(instance))
	parameters := make([]setting, 0, len(instance.Spec.Parameters))
	for _, p := range instance.Spec.Parameters {
		parameters = append(parameters, setting{p.Name, p.Value})
	}
	slices.SortFunc(parameters, func(a, b setting) int { return strings.Compare(a.name, b.name) })
	write(parameters)
	write(ownedSettings(instance, f))
	return b.String()
}

// defaultSettings follow from the spec unless a parameter says otherwise.
func defaultSettings(instance *v1.MySQLInstance) []setting {
	bufferPool := max(instance.Spec.Resources.Memory.Value()/2, smallestBufferPool)
	return []setting{{"innodb_buffer_pool_size", fmt.Sprint(bufferPool)}}
}

// ownedSettings are the controller's: the image, the volume and the replication depend on them. Validation refuses
// parameters of these names. server_id and report_host differ from server to server and are given as arguments.
func ownedSettings(instance *v1.MySQLInstance, f facts) []setting {
	settings := []setting{
		{"datadir", dataDirectory},
		{"port", fmt.Sprint(mysqlPort)},
		{"gtid_mode", "ON"},
		{"enforce_gtid_consistency", "ON"},
	}
	switch tls := instance.Spec.TLS; {
	case tls.Mode == v1.TLSDisabled:
		// The option that switched TLS off (ssl) is gone in 8.4; no protocol at all works in every supported series.
		settings = append(settings, setting{"tls_version", ""})
	case tls.SecretName != nil:
		settings = append(settings,
			setting{"ssl_cert", tlsDirectory + "/tls.crt"},
			setting{"ssl_key", tlsDirectory + "/tls.key"})
		if f.certificate.hasAuthority {
			settings = append(settings, setting{"ssl_ca", tlsDirectory + "/ca.crt"})
		}
	}
	if instance.Spec.TLS.Mode == v1.TLSRequired {
		settings = append(settings, setting{"require_secure_transport", "ON"})
	}
	return settings
}

// quoteOption writes a value so that MySQL reads back exactly that value: unquoted, a number sign would begin a
// comment and a backslash an escape.
func quoteOption(value string) string {
	return `"` + strings.NewReplacer(
		`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(value) + `"`
}

// shortHash of content, to put into an annotation.
func shortHash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:8])
}
