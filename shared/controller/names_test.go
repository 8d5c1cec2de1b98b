package controller

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/duet-api/duet/shared/names"
)

// TestChildNamesNeverMeet takes names that contain the suffixes of children.
func TestChildNamesNeverMeet(t *testing.T) {
	instances := []string{"a", "a-root", "a-config", "a-backup", "a-primary", "a-read", "a-headless", "a.b", "a-b", "a-b.c", "a.b-c"}
	seen := map[string]string{}
	for _, name := range instances {
		instance := newInstance()
		instance.Name = name
		n := namesOf(instance)
		for kind, children := range map[string][]string{
			"Secret":              {n.rootSecret},
			"ConfigMap":           {n.configMap, names.Backup(name)},
			"CronJob":             {names.Backup(name)},
			"Service":             {n.primaryService, n.readService, n.headlessService},
			"StatefulSet":         {n.statefulSet},
			"PodDisruptionBudget": {n.podDisruptionBudget},
		} {
			for _, child := range children {
				key := kind + "/" + child
				if other, ok := seen[key]; ok {
					t.Errorf("%s and %s both have %s", other, name, key)
				}
				seen[key] = name
			}
		}
	}
}

func TestChildNamesAreValid(t *testing.T) {
	for _, name := range []string{"db", "a.b.c", "9", strings.Repeat("a", 253), strings.Repeat("a.", 126) + "a", strings.Repeat("x", 63)} {
		instance := newInstance()
		instance.Name = name
		n := namesOf(instance)
		for _, service := range []string{n.primaryService, n.readService, n.headlessService, podName(instance, 8)} {
			if errs := validation.IsDNS1035Label(service); len(errs) > 0 {
				t.Errorf("%.20s: %s: %v", name, service, errs)
			}
		}
		for _, other := range []string{n.rootSecret, n.configMap, n.statefulSet, n.podDisruptionBudget} {
			if errs := validation.IsDNS1123Subdomain(other); len(errs) > 0 {
				t.Errorf("%.20s: %s: %v", name, other, errs)
			}
		}
		// The revision of a StatefulSet is a label value: its name and a hash of ten.
		if errs := validation.IsValidLabelValue(n.statefulSet + "-" + strings.Repeat("0", 10)); len(errs) > 0 {
			t.Errorf("%.20s: revision: %v", name, errs)
		}
	}
}

func TestRootSecretName(t *testing.T) {
	for name, want := range map[string]string{
		"db":                     "db-root",
		"db.eu":                  "db.eu-root",
		strings.Repeat("a", 248): strings.Repeat("a", 248) + "-root",
	} {
		instance := newInstance()
		instance.Name = name
		if got := namesOf(instance).rootSecret; got != want {
			t.Errorf("the generated Secret of %.20s is %s, want %s", name, got, want)
		}
	}
}

func TestOrdinals(t *testing.T) {
	instance := newInstance()
	tests := map[string]struct {
		name        string
		wantOrdinal int
		wantOK      bool
	}{
		"first":                       {"data-db-0", 0, true},
		"tenth":                       {"data-db-10", 10, true},
		"another instance's":          {"data-db-0-0", 0, false},
		"another volume":              {"backup-db-0", 0, false},
		"not how an ordinal is spelt": {"data-db-00", 0, false},
		"negative":                    {"data-db--1", 0, false},
		"none":                        {"data-db-", 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ordinal, ok := claimOrdinal(instance, test.name)
			if ok != test.wantOK || ok && ordinal != test.wantOrdinal {
				t.Errorf("claimOrdinal(%s) = %d, %v; want %d, %v", test.name, ordinal, ok, test.wantOrdinal, test.wantOK)
			}
		})
	}
	for ordinal := range 9 {
		if got, ok := podOrdinal(instance, fmt.Sprintf("db-%d", ordinal)); !ok || got != ordinal {
			t.Errorf("podOrdinal(db-%d) = %d, %v", ordinal, got, ok)
		}
	}
}
