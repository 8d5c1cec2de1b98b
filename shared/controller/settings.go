package controller

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/duet-api/duet/shared/api/mysql/sysvar"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const (
	bufferPoolSize = "innodb_buffer_pool_size"
	// smallestBufferPool is the least that MySQL accepts, in bytes.
	smallestBufferPool = 5 << 20
)

// setting is one system variable with its value.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// startSettings are those that a server takes up only when it starts: the controller's own, and the parameters whose
// variables are static. A change of any of them restarts the servers. They are sorted, so that their order in the spec
// restarts nothing.
func startSettings(instance *v1.MySQLInstance, f facts) []setting {
	settings := append(ownedSettings(instance, f), parameters(instance, f, true)...)
	slices.SortFunc(settings, byName)
	return settings
}

// liveSettings are those that a running server takes up too: the other parameters, and what follows from the spec
// unless a parameter says otherwise. memory is what the server in question has, which may be less than the spec asks
// for until it is restarted: a buffer pool that does not fit yet is not given to it.
func liveSettings(instance *v1.MySQLInstance, memory resource.Quantity) []setting {
	settings := parameters(instance, facts{}, false)
	settings = slices.DeleteFunc(settings, func(s setting) bool {
		asked, err := sysvar.ParseBytes(s.Value)
		return s.Name == bufferPoolSize && (err != nil || asked > uint64(max(memory.Value(), 0)))
	})
	if !slices.ContainsFunc(settings, func(s setting) bool { return s.Name == bufferPoolSize }) {
		settings = append(settings, setting{bufferPoolSize, fmt.Sprint(max(memory.Value()/2, smallestBufferPool))})
	}
	slices.SortFunc(settings, byName)
	return settings
}

// parameters of the spec that need a start, or those that need none. One that the controller sets itself is in neither:
// validation refuses most of them, and what is left is without effect beside the field that decides (a tls_version
// where spec.tls.mode is Disabled).
func parameters(instance *v1.MySQLInstance, f facts, static bool) []setting {
	owned := ownedSettings(instance, f)
	var settings []setting
	for _, p := range instance.Spec.Parameters {
		variable, known := sysvar.Lookup(p.Name)
		decided := slices.ContainsFunc(owned, func(s setting) bool { return s.Name == p.Name })
		// Of a variable that nobody knows, a start is the safe guess.
		if needsStart := variable.Static || !known; needsStart == static && !decided {
			settings = append(settings, setting{p.Name, p.Value})
		}
	}
	return settings
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

func byName(a, b setting) int { return strings.Compare(a.Name, b.Name) }

// optionFileOf writes settings as MySQL reads them.
func optionFileOf(settings ...[]setting) string {
	var b strings.Builder
	b.WriteString("# Written by duet-controller. Changes are undone; set spec.parameters of the MySQLInstance instead.\n")
	b.WriteString("[mysqld]\n")
	for _, s := range slices.Concat(settings...) {
		fmt.Fprintf(&b, "%s = %s\n", optionName(s.Name), quoteOption(s.Value))
	}
	return b.String()
}

// optionName is the variable's name, and for one that not every release has, a name that the others ignore: while
// servers are upgraded, or an upgrade waits for its time, a server of the old version may start with the same file.
func optionName(name string) string {
	if variable, _ := sysvar.Lookup(name); variable.Since != "" || variable.RemovedIn != "" {
		return "loose_" + name
	}
	return name
}

// quoteOption writes a value so that MySQL reads back exactly that value: unquoted, a number sign would begin a
// comment and a backslash an escape.
func quoteOption(value string) string {
	return `"` + strings.NewReplacer(
		`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(value) + `"`
}
