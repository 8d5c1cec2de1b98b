package behaviour

import (
	"context"
	"fmt"
	"strings"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/shared/install"
)

var validationRows = []Row{
	{
		ID: "B1", Group: Validation, Title: "Rules on one field",
		Why:    "A form that names another field, or none, sends people to look in the wrong place.",
		Source: "custom-resources, Validation; a schema on one side, Go code on the other",
		Flag:   Parity,
		Expect: Both("unsupported version 422 Invalid: spec.version; no version 422 Invalid: spec.version; " +
			"10 replicas 422 Invalid: spec.replicas; small volume 422 Invalid: spec.storage.size; " +
			"port 0 422 Invalid: spec.service.port; bad enum 422 Invalid: spec.powerState; " +
			"parameter name 422 Invalid: spec.parameters[0].name"),
		Probe: verdicts(refusals),
	},
	{
		ID: "B2", Group: Validation, Title: "Rules over several fields",
		Why:    "They need CEL in a schema and are plain code in an aggregated server.",
		Source: "custom-resource-definitions, Validation rules", Flag: Parity,
		Expect: Both("TLS required without a Secret 422 Invalid: spec.tls.secretName"),
		Probe: verdicts([]attempt{
			{"TLS required without a Secret", fixture.With("spec.tls.mode", "Required")},
		}),
	},
	{
		ID: "B3", Group: Validation, Title: "Several mistakes at once",
		Why: "Whoever corrects what was named and tries again is told of the next mistake only then, " +
			"if rules were left out.",
		Source: "apiextensions-apiserver pkg/registry/customresource/strategy.go: blocking errors", Flag: Undocumented,
		Expect: Expectation{
			CRD:        "422 Invalid: spec.powerState; some rules were not checked",
			Aggregated: "422 Invalid: spec.powerState, spec.tls.secretName; every rule was checked",
		},
		Probe: severalMistakes,
	},
	{
		ID: "B5", Group: Validation, Title: "Numbers out of range",
		Why:    "A number that does not fit is refused by both, but only one says which.",
		Source: "kubernetes#136582: formats are enforced in custom resources since 1.36", Flag: Outdated,
		Expect: Expectation{
			CRD:        "99999999999 for an int32 422 Invalid: spec.service.port",
			Aggregated: "99999999999 for an int32 400 BadRequest",
		},
		Probe: verdicts([]attempt{
			{"99999999999 for an int32", fixture.With("spec.service.port", 99999999999)},
		}),
	},
	{
		ID: "B6", Group: Validation, Title: "The same key twice in a keyed list",
		Why:    "Server-side apply cannot own entries of a list whose keys are not unique.",
		Source: "apiextensions-apiserver ValidateListSetsAndMaps; an aggregated server has to do it itself",
		Flag:   Parity,
		Expect: Both("max_connections twice 422 Invalid: spec.parameters[1]"),
		Probe: verdicts([]attempt{{"max_connections twice", fixture.With("spec.parameters",
			[]any{parameter("max_connections", "1"), parameter("max_connections", "2")})}}),
	},
	{
		ID: "B7", Group: Validation, Title: "Defaults",
		Why:    "Everybody who reads the object must see what is in force, not what was typed.",
		Source: "custom-resource-definitions, Defaulting; Go functions on the other side", Flag: Parity,
		Expect: Both("replicas 1, cpu 500m, memory 1Gi, tls Preferred, service ClusterIP 3306, retentionDays 7, " +
			"minorUpgradePolicy Manual, deletionPolicy Retain, powerState Running"),
		Probe: defaults,
	},
	{
		ID: "B9", Group: Validation, Title: "Rules on changes",
		Why:    "A change that cannot be carried out has to be refused while somebody is there to read it.",
		Source: "custom-resource-definitions, Transition rules", Flag: Parity,
		Expect: Both("smaller volume 422 Invalid: spec.storage.size; " +
			"other class 422 Invalid: spec.storage.storageClassName; " +
			"older version 422 Invalid: spec.version; larger volume 200"),
		Probe: transitions,
	},
	{
		ID: "B17", Group: Validation, Title: "Rules that a schema cannot say",
		Why:    "Without a webhook a custom resource accepts them, and they fail later, elsewhere.",
		Source: "gardener docs/development/validation-guidelines.md", Flag: Parity,
		Needs: []install.Capability{install.GoValidation},
		Expect: Both("cron 422 Invalid: spec.backup.schedule; buffer pool 422 Invalid: spec.parameters[0].value; " +
			"the controller's parameter 422 Invalid: spec.parameters[0].name"),
		Probe: verdicts([]attempt{
			{"cron", fixture.With("spec.backup.schedule", "every night")},
			{"buffer pool", fixture.With("spec.parameters", []any{parameter("innodb_buffer_pool_size", "64G")})},
			{"the controller's parameter", fixture.With("spec.parameters", []any{parameter("server_id", "7")})},
		}),
	},
	{
		ID: "B8", Group: Validation, Title: "Rules that need other objects",
		Why:    "A Secret that is not there is found when the object is written, or when the server fails to start.",
		Source: "custom-resources, Validation; no schema can look at another object", Flag: Parity,
		Needs: []install.Capability{install.LookUps},
		Expect: Both("missing Secret 422 Invalid: spec.credentials.rootSecretRef.name; " +
			"growth that the class does not allow 422 Invalid: spec.storage.size"),
		Probe: lookUps,
	},
}

var refusals = []attempt{
	{"unsupported version", fixture.With("spec.version", "5.7.1")},
	{"no version", fixture.Without("spec.version")},
	{"10 replicas", fixture.With("spec.replicas", 10)},
	{"small volume", fixture.With("spec.storage.size", "1Mi")},
	{"port 0", fixture.With("spec.service.port", 0)},
	{"bad enum", fixture.With("spec.powerState", "Asleep")},
	{"parameter name", fixture.With("spec.parameters", []any{parameter("Max-Connections", "1")})},
}

// attempt is an object that somebody might create, made from a valid one.
type attempt struct {
	title string
	edit  fixture.Edit
}

// verdicts makes a probe that tries to create objects and says what the server answers to each.
func verdicts(attempts []attempt) func(context.Context, *Subject) (Observation, error) {
	return func(ctx context.Context, s *Subject) (Observation, error) {
		var seen []string
		for i, attempt := range attempts {
			answer, err := s.post(ctx, s.path(), fixture.Instance(fmt.Sprintf("db-%d", i), attempt.edit))
			if err != nil {
				return Observation{}, err
			}
			seen = append(seen, attempt.title+" "+answer.Verdict())
		}
		return observed("%s", strings.Join(seen, "; "))
	}
}

func severalMistakes(ctx context.Context, s *Subject) (Observation, error) {
	answer, err := s.post(ctx, s.path(), fixture.Instance("db",
		fixture.With("spec.powerState", "Asleep"), fixture.With("spec.tls.mode", "Required")))
	if err != nil {
		return Observation{}, err
	}
	left := strings.Contains(string(answer.Body), "some validation rules were not checked")
	return observed("%s; %s", answer.Verdict(), choose(left, "some rules were not checked", "every rule was checked"))
}

func defaults(ctx context.Context, s *Subject) (Observation, error) {
	created, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	field := func(path string) string {
		return show(created, append([]string{"spec"}, strings.Split(path, ".")...)...)
	}
	return observed("replicas %s, cpu %s, memory %s, tls %s, service %s %s, retentionDays %s, "+
		"minorUpgradePolicy %s, deletionPolicy %s, powerState %s",
		field("replicas"), field("resources.cpu"), field("resources.memory"), field("tls.mode"),
		field("service.type"), field("service.port"), field("backup.retentionDays"),
		field("minorUpgradePolicy"), field("deletionPolicy"), field("powerState"))
}

func transitions(ctx context.Context, s *Subject) (Observation, error) {
	class, err := s.storageClass(ctx, true)
	if err != nil {
		return Observation{}, err
	}
	if _, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.storage.size", "10Gi"),
		fixture.With("spec.storage.storageClassName", class))); err != nil {
		return Observation{}, err
	}
	var seen []string
	for _, change := range []attempt{
		{"smaller volume", fixture.With("spec.storage.size", "5Gi")},
		{"other class", fixture.With("spec.storage.storageClassName", "other")},
		{"older version", fixture.With("spec.version", "8.4.2")},
		{"larger volume", fixture.With("spec.storage.size", "20Gi")},
	} {
		answer, err := s.update(ctx, change.edit)
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, change.title+" "+answer.Verdict())
	}
	return observed("%s", strings.Join(seen, "; "))
}

// storageClass creates a StorageClass of the row's own and returns its name.
func (s *Subject) storageClass(ctx context.Context, expansion bool) (string, error) {
	client, err := s.kubernetes()
	if err != nil {
		return "", err
	}
	classes := client.StorageV1().StorageClasses()
	class, err := classes.Create(ctx, &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{GenerateName: s.Namespace + "-"},
		Provisioner: "duet.example.com/none", AllowVolumeExpansion: &expansion,
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("could not create a storage class: %w", err)
	}
	s.afterwards(func(ctx context.Context) error {
		return classes.Delete(ctx, class.Name, metav1.DeleteOptions{})
	})
	return class.Name, nil
}

func lookUps(ctx context.Context, s *Subject) (Observation, error) {
	class, err := s.storageClass(ctx, false)
	if err != nil {
		return Observation{}, err
	}
	missing, err := s.post(ctx, s.path(),
		fixture.Instance("db", fixture.With("spec.credentials.rootSecretRef.name", "nowhere")))
	if err != nil {
		return Observation{}, err
	}
	if _, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.storage.storageClassName", class))); err != nil {
		return Observation{}, err
	}
	grown, err := s.update(ctx, fixture.With("spec.storage.size", "20Gi"))
	if err != nil {
		return Observation{}, err
	}
	return observed("missing Secret %s; growth that the class does not allow %s", missing.Verdict(), grown.Verdict())
}
