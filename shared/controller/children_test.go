package controller

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/shared/api/mysql/sysvar"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestChildren compares whole children with golden files, because what matters in them is also what nobody meant to
// change. To accept a change: go test ./shared/controller -run TestChildren -update.
func TestChildren(t *testing.T) {
	instances := map[string]*v1.MySQLInstance{
		"minimal":   newInstance(),
		"elaborate": newInstance(elaborate),
	}
	known := map[string]facts{
		"minimal": {rootSecretIdentity: "db-root/password/secret-uid"},
		"elaborate": {
			rootSecretIdentity: "given/root/secret-uid",
			certificate:        certificateFacts{hash: "0123456789abcdef", hasAuthority: true},
		},
	}
	for name, instance := range instances {
		f := known[name]
		now := rolloutOf(instance, f, instance.Spec.Version, "mysql", nil)
		children := map[string]any{
			"secret":              rootSecret(instance),
			"secret-accounts":     accountsSecret(instance),
			"configmap":           configuration(instance, now),
			"service-primary":     primaryService(instance),
			"service-read":        readService(instance),
			"service-headless":    headlessService(instance),
			"poddisruptionbudget": podDisruptionBudget(instance),
			"statefulset":         statefulSet(instance, f, now),
		}
		if instance.Spec.Backup != nil {
			children["backup-claim"] = backupClaim(instance, nil)
			children["backup-cronjob"] = backupCronJob(instance, now)
		}
		for child, desired := range children {
			t.Run(name+"/"+child, func(t *testing.T) {
				got, err := yaml.Marshal(desired)
				if err != nil {
					t.Fatal(err)
				}
				golden := filepath.Join("testdata", name, child+".yaml")
				if *update {
					if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("differs from %s (-want +got):\n%s", golden, diff)
				}
			})
		}
	}
}

// TestChildrenArePure makes sure that building the children changes neither the instance nor what another build yields.
func TestChildrenArePure(t *testing.T) {
	instance, before := newInstance(elaborate), newInstance(elaborate)
	f := facts{rootSecretIdentity: "given/root/uid"}
	build := func() []any {
		now := rolloutOf(instance, f, "8.4.3", "mysql", nil)
		return []any{
			statefulSet(instance, f, now), configuration(instance, now),
			backupCronJob(instance, now), backupClaim(instance, nil), backupScripts(instance),
		}
	}
	if diff := cmp.Diff(build(), build()); diff != "" {
		t.Errorf("two builds differ:\n%s", diff)
	}
	if diff := cmp.Diff(before, instance); diff != "" {
		t.Errorf("the instance was changed:\n%s", diff)
	}
}

func TestStatefulSetReplicas(t *testing.T) {
	tests := map[string]struct {
		change func(*v1.MySQLInstance)
		want   int32
	}{
		"one by default":            {func(*v1.MySQLInstance) {}, 1},
		"as many as asked for":      {func(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(5)) }, 5},
		"none while it is stopped":  {func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerStopped }, 0},
		"none, however many it had": {func(i *v1.MySQLInstance) { elaborate(i); i.Spec.PowerState = v1.PowerStopped }, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := *statefulSet(newInstance(test.change), facts{}, rollout{}).Spec.Replicas; got != test.want {
				t.Errorf("got %d replicas, want %d", got, test.want)
			}
		})
	}
}

// TestRestarts tells which changes make new pods, and which only rewrite the option file.
func TestRestarts(t *testing.T) {
	const nothing, file, restart = "nothing", "option file", "restart"
	tests := map[string]struct {
		change func(*v1.MySQLInstance, *facts)
		want   string
	}{
		"nothing":      {func(*v1.MySQLInstance, *facts) {}, nothing},
		"more servers": {func(i *v1.MySQLInstance, _ *facts) { i.Spec.Replicas = new(int32(4)) }, nothing},
		"service":      {func(i *v1.MySQLInstance, _ *facts) { i.Spec.Service.Port = new(int32(3310)) }, nothing},
		"storage":      {func(i *v1.MySQLInstance, _ *facts) { i.Spec.Storage.VolumeSize.Add(i.Spec.Storage.VolumeSize) }, nothing},
		"backups":      {func(i *v1.MySQLInstance, _ *facts) { i.Spec.Backup = nil }, nothing},
		"policy":       {func(i *v1.MySQLInstance, _ *facts) { i.Spec.DeletionPolicy = v1.DeletionRetain }, nothing},
		"order of parameters": {func(i *v1.MySQLInstance, _ *facts) {
			slices.Reverse(i.Spec.Parameters)
		}, nothing},
		"a parameter that can be set at any time": {
			func(i *v1.MySQLInstance, _ *facts) { i.Spec.Parameters[0].Value = "501" }, file,
		},
		"a parameter that cannot": {
			func(i *v1.MySQLInstance, _ *facts) { i.Spec.Parameters[2].Value = "OFF" }, restart,
		},
		"one more that cannot": {func(i *v1.MySQLInstance, _ *facts) {
			i.Spec.Parameters = append(i.Spec.Parameters, v1.Parameter{Name: "back_log", Value: "100"})
		}, restart},
		"version":     {func(i *v1.MySQLInstance, _ *facts) { i.Spec.Version = "8.4.4" }, restart},
		"memory":      {func(i *v1.MySQLInstance, _ *facts) { i.Spec.Resources.Memory.Add(*i.Spec.Resources.Memory) }, restart},
		"tls mode":    {func(i *v1.MySQLInstance, _ *facts) { i.Spec.TLS.Mode = v1.TLSPreferred }, restart},
		"certificate": {func(_ *v1.MySQLInstance, f *facts) { f.certificate.hash = "other" }, restart},
		"a restart asked for": {func(i *v1.MySQLInstance, _ *facts) {
			i.Annotations = map[string]string{v1.AnnotationRestartedAt: "2026-03-01T12:00:00Z"}
		}, restart},
	}
	written := func(instance *v1.MySQLInstance, f facts) (template, file string) {
		now := rolloutOf(instance, f, instance.Spec.Version, "mysql", nil)
		out, err := yaml.Marshal(statefulSet(instance, f, now).Spec.Template)
		if err != nil {
			t.Fatal(err)
		}
		return string(out), configuration(instance, now).Data[optionFile]
	}
	instance := func() *v1.MySQLInstance {
		return newInstance(elaborate, func(i *v1.MySQLInstance) {
			i.Spec.Parameters = append(i.Spec.Parameters, v1.Parameter{Name: "performance_schema", Value: "ON"})
		})
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := facts{certificate: certificateFacts{hash: "one"}}
			templateBefore, fileBefore := written(instance(), f)
			changed := instance()
			test.change(changed, &f)
			templateAfter, fileAfter := written(changed, f)
			got := nothing
			if fileAfter != fileBefore {
				got = file
			}
			if templateAfter != templateBefore {
				got = restart
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestClaimTemplatesStay because a StatefulSet refuses others.
func TestClaimTemplatesStay(t *testing.T) {
	live := claimTemplates(newInstance(), facts{rootSecretIdentity: "db-root/password/first"})
	grown := newInstance(func(i *v1.MySQLInstance) { i.Spec.Storage.VolumeSize.Add(i.Spec.Storage.VolumeSize) })
	got := statefulSet(grown, facts{claimTemplates: live, rootSecretIdentity: "db-root/password/second"}, rollout{})
	if diff := cmp.Diff(*live[0], got.Spec.VolumeClaimTemplates[0]); diff != "" {
		t.Errorf("the claim template changed:\n%s", diff)
	}
}

func TestOptionFile(t *testing.T) {
	tests := map[string]struct {
		change       func(*v1.MySQLInstance)
		want, refuse []string
	}{
		"half of the memory is for the buffer pool": {
			want: []string{`innodb_buffer_pool_size = "536870912"`},
		},
		"unless a parameter says otherwise": {
			change: func(i *v1.MySQLInstance) {
				i.Spec.Parameters = []v1.Parameter{{Name: "innodb_buffer_pool_size", Value: "64M"}}
			},
			want:   []string{`innodb_buffer_pool_size = "64M"`},
			refuse: []string{"536870912"},
		},
		"a buffer pool that does not fit yet waits for the memory": {
			change: func(i *v1.MySQLInstance) {
				i.Spec.Parameters = []v1.Parameter{{Name: "innodb_buffer_pool_size", Value: "2G"}}
			},
			want:   []string{`innodb_buffer_pool_size = "536870912"`},
			refuse: []string{"2G"},
		},
		"never less than MySQL accepts": {
			change: func(i *v1.MySQLInstance) { i.Spec.Resources.Memory.Set(1 << 20) },
			want:   []string{`innodb_buffer_pool_size = "5242880"`},
		},
		"the controller's settings have the last word": {
			change: func(i *v1.MySQLInstance) { i.Spec.Parameters = []v1.Parameter{{Name: "port", Value: "1"}} },
			want:   []string{`port = "3306"`},
			refuse: []string{`port = "1"`},
		},
		"a server of another version ignores what it does not know": {
			change: func(i *v1.MySQLInstance) {
				i.Spec.Parameters = []v1.Parameter{
					{Name: "innodb_ddl_threads", Value: "4"}, {Name: "mysql_native_password", Value: "ON"},
					{Name: "max_connections", Value: "9"},
				}
			},
			want: []string{
				`loose_innodb_ddl_threads = "4"`, "\nmax_connections = \"9\"", `loose_mysql_native_password = "ON"`,
			},
		},
		"no TLS, whatever a parameter says about it": {
			change: func(i *v1.MySQLInstance) {
				i.Spec.TLS = v1.TLS{Mode: v1.TLSDisabled}
				i.Spec.Parameters = []v1.Parameter{{Name: "tls_version", Value: "TLSv1.3"}}
			},
			want:   []string{`tls_version = ""`},
			refuse: []string{"TLSv1.3"},
		},
		"no TLS": {
			change: func(i *v1.MySQLInstance) { i.Spec.TLS = v1.TLS{Mode: v1.TLSDisabled, SecretName: new("unused")} },
			want:   []string{"tls_version = \"\"\n"},
			refuse: []string{"ssl_cert", "require_secure_transport"},
		},
		"TLS with the server's own certificate": {
			refuse: []string{"tls_version", "ssl_cert", "require_secure_transport"},
		},
		"TLS with a given certificate": {
			change: func(i *v1.MySQLInstance) { i.Spec.TLS.SecretName = new("certificate") },
			want:   []string{`ssl_cert = "/etc/mysql/tls/tls.crt"`, `ssl_key = "/etc/mysql/tls/tls.key"`},
			refuse: []string{"ssl_ca", "require_secure_transport"},
		},
		"TLS required": {
			change: func(i *v1.MySQLInstance) { i.Spec.TLS = v1.TLS{Mode: v1.TLSRequired, SecretName: new("certificate")} },
			want:   []string{`require_secure_transport = "ON"`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			instance := newInstance()
			if test.change != nil {
				test.change(instance)
			}
			now := rolloutOf(instance, facts{}, instance.Spec.Version, "mysql", nil)
			got := configuration(instance, now).Data[optionFile]
			rest := got
			for _, want := range test.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is missing, or not in this order, in\n%s", want, got)
				}
				rest = after
			}
			for _, refuse := range test.refuse {
				if strings.Contains(got, refuse) {
					t.Errorf("%q is in\n%s", refuse, got)
				}
			}
		})
	}
}

// TestOwnedSettingsAreRefusedAsParameters keeps two lists equal: what the controller writes, and what validation says
// that it does.
func TestOwnedSettingsAreRefusedAsParameters(t *testing.T) {
	for _, mode := range []v1.TLSMode{v1.TLSPreferred, v1.TLSRequired} {
		instance := newInstance(elaborate, func(i *v1.MySQLInstance) { i.Spec.TLS.Mode = mode })
		for _, s := range ownedSettings(instance, facts{certificate: certificateFacts{hasAuthority: true}}) {
			if variable, known := sysvar.Lookup(s.Name); !known || variable.Owned == "" {
				t.Errorf("the controller sets %s, and validation lets a parameter of that name through", s.Name)
			}
		}
	}
	for _, s := range liveSettings(newInstance(), resource.MustParse("1Gi")) {
		if variable, known := sysvar.Lookup(s.Name); !known || variable.Owned != "" || variable.Static {
			t.Errorf("%s has a default that no parameter can change while the server runs", s.Name)
		}
	}
}

func TestQuoteOption(t *testing.T) {
	tests := map[string]string{
		"500":            `"500"`,
		"":               `""`,
		"a # comment":    `"a # comment"`,
		`C:\new`:         `"C:\\new"`,
		`say "x"`:        `"say \"x\""`,
		"two\nlines":     `"two\nlines"`,
		"tab\tand\r end": `"tab\tand\r end"`,
		" kept spaces ":  `" kept spaces "`,
	}
	for value, want := range tests {
		if got := quoteOption(value); got != want {
			t.Errorf("quoteOption(%q) = %s, want %s", value, got, want)
		}
	}
}
