package names_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/duet-api/duet/shared/names"
)

func TestBase(t *testing.T) {
	tests := map[string]struct {
		name string
		want string
	}{
		"a label is itself":               {"db", "db"},
		"with hyphens and digits":         {"my-db-01", "my-db-01"},
		"the longest that is itself":      {strings.Repeat("a", 43), strings.Repeat("a", 43)},
		"a dot is no part of a label":     {"db.eu", "mysql-db-eu-28c2cfa046"},
		"a Service begins with a letter":  {"1db", "mysql-1db-2070d85930"},
		"a long name is cut and made one": {strings.Repeat("a", 44), "mysql-aaaaaaaaaaaaaaaaaaaaaaaaaa-16849877c6"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := names.Base(test.name)
			if got != test.want {
				t.Errorf("Base(%q) = %q, want %q", test.name, got, test.want)
			}
			if len(got) > names.MaxBaseLength || len(validation.IsDNS1035Label(got)) > 0 {
				t.Errorf("%q cannot name a Service", got)
			}
		})
	}
}

// TestBackup: the CronJob controller adds eleven characters to the name of a CronJob, and 63 is the end.
func TestBackup(t *testing.T) {
	const longest = 52
	for _, instance := range []string{"db", "1.odd", strings.Repeat("a", 43), strings.Repeat("a.", 126) + "a"} {
		if got := names.Backup(instance); len(got) > longest || len(validation.IsDNS1123Subdomain(got)) > 0 {
			t.Errorf("%q cannot name a CronJob", got)
		}
	}
}

func TestRootSecret(t *testing.T) {
	long := strings.Repeat("a.", 125) + "ab" // 252 characters: a name, but not with a suffix
	for instance, want := range map[string]string{
		"db":    "db-root",
		"db.eu": "db.eu-root",
		long:    names.Base(long) + "-root",
	} {
		if got := names.RootSecret(instance); got != want || len(validation.IsDNS1123Subdomain(got)) > 0 {
			t.Errorf("RootSecret(%q) = %q, want %q", instance, got, want)
		}
	}
}

func TestServer(t *testing.T) {
	if got := names.Server("1db", 2); got != "mysql-1db-2070d85930-2" {
		t.Errorf("got %q", got)
	}
}
