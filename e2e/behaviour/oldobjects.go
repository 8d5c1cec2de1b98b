package behaviour

import (
	"bytes"
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/duet-api/duet/e2e/fixture"
)

// oldObjectRows are about objects that are older than the rules of today.
var oldObjectRows = []Row{
	{
		ID: "B4", Group: Validation, Title: "An object from a time before a rule",
		Why: "A rule that is made stricter must not lock people out of what they have, " +
			"their finalizers and labels first of all.",
		Source: "custom-resource-definitions, Validation ratcheting (it still speaks of a feature gate)",
		Flag:   Outdated, Labels: []string{Slow}, Site: true,
		Expect: Both("10 replicas stored: read 200, label 200, other field 200, 11 replicas 422 Invalid: spec.replicas"),
		Probe:  oldObject,
	},
}

func oldObject(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.replicas", 7))); err != nil {
		return Observation{}, err
	}
	storing, err := s.storing(ctx)
	if err != nil {
		return Observation{}, err
	}
	client, err := storing.etcd()
	if err != nil {
		return Observation{}, err
	}
	defer client.Close()
	// The store is written past the server: that is what an object looks like that was stored under laxer rules.
	key := s.key(storing, "db")
	err = eventually(ctx, "an object that breaks a rule in the store", func(ctx context.Context) (bool, error) {
		current, err := client.Get(ctx, key)
		if err != nil || len(current.Kvs) != 1 {
			return false, fmt.Errorf("could not read %s in etcd (%d found): %w", key, len(current.Kvs), err)
		}
		kv := current.Kvs[0]
		broken := bytes.Replace(kv.Value, []byte(`"replicas":7`), []byte(`"replicas":10`), 1)
		answer, err := client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision)).
			Then(clientv3.OpPut(key, string(broken))).Commit()
		return err == nil && answer.Succeeded, err
	})
	if err != nil {
		return Observation{}, err
	}
	read, err := s.get(ctx, s.path("db"))
	if err != nil {
		return Observation{}, err
	}
	seen := []any{"7", read.Verdict()}
	if object, err := read.Object(); err == nil {
		seen[0] = show(object, "spec", "replicas")
	}
	for _, edit := range []fixture.Edit{
		fixture.With("metadata.labels", map[string]any{"tier": "prod"}),
		fixture.With("spec.powerState", "Stopped"),
		fixture.With("spec.replicas", 11),
	} {
		answer, err := s.update(ctx, edit)
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, answer.Verdict())
	}
	return observed("%s replicas stored: read %s, label %s, other field %s, 11 replicas %s", seen...)
}
