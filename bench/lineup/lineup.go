// Package lineup says who takes part in a benchmark: each arm with the reason why it is there, the control plane that it
// needs, and how its requests reach it.
//
// The two forms alone would leave a reader to guess what their difference is made of. So each step between them is an arm
// of its own: the form without webhooks, the same custom resource behind a hop, the aggregated server without the hop,
// with an etcd of its own, with a binary encoding; and so are the limits on both sides: what is built into
// kube-apiserver, the storage alone, the connection alone, and what upstream's own example does.
package lineup

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/shared/install"
)

// side is a control plane that arms share. Its kube-apiserver has feature gates beyond the usual ones if they are named.
type side struct{ name, form, profile, gates string }

// The sides. The profiles are those of the forms; a name that a form does not know ends the run before it begins.
var (
	crdSide          = side{"crd", install.CRD, "webhooks", ""}
	schemaSide       = side{"crd-schema-only", install.CRD, "schema-only", ""}
	cborSide         = side{"crd-cbor", install.CRD, "schema-only", "CBORServingAndStorage=true"}
	hopSide          = side{"crd-hop", install.CRD, "schema-only", ""}
	aggregatedSide   = side{"aggregated", install.Aggregated, "shared-etcd", ""}
	aggregatedOwn    = side{"aggregated-own-etcd", install.Aggregated, "dedicated-etcd", ""}
	crdApart         = side{"crd-apart", install.CRD, "webhooks", ""}
	sidesInThisOrder = []side{crdSide, aggregatedSide, schemaSide, cborSide, hopSide, aggregatedOwn, crdApart}
)

// targetFunc says how an arm's requests reach a side, and starts what they need there.
type targetFunc func(ctx context.Context, side *matrix.Side) (arm.Target, error)

// Entry is one arm that can take part.
type Entry struct {
	// Name of the arm. Why it is there, in one sentence.
	Name, Why string
	// Repeats names the arm that this one is identical to.
	Repeats string
	// Encoding of the bodies; empty means JSON.
	Encoding arm.Encoding
	// Witness: an independent client measures the arm, to check the numbers of the one that it repeats.
	Witness bool
	// Reference: the arm explains what the two forms differ by. Unless it is asked for more, it has a part only in the
	// operations of the quick profile, and in those of longer ones that For names: two dozen arms in every operation would
	// take hours, and say little more.
	Reference bool
	For       []string

	form   string
	side   side
	kind   func(seed uint64) (*arm.Kind, error)
	target targetFunc
}

// Entries are all arms, in the order in which reports show them.
func Entries() []Entry {
	return []Entry{
		{
			Name: "crd", form: install.CRD, side: crdSide, kind: arm.MySQLInstances,
			target: ownThroughAPIServer,
			Why:    "The CustomResourceDefinition with webhooks: every rule, both versions.",
		},
		{
			Name: "aggregated", form: install.Aggregated, side: aggregatedSide, kind: arm.MySQLInstances,
			target: ownThroughAPIServer,
			Why:    "The aggregated server, as clients of a cluster reach it, in the etcd of kube-apiserver.",
		},
		{
			Name: "crd-again", Repeats: "crd", form: install.CRD, side: crdSide, kind: arm.MySQLInstances,
			target: ownThroughAPIServer,
			Why:    "The same as crd: what the two differ by is noise.",
		},
		{
			Name: "aggregated-again", Repeats: "aggregated", form: install.Aggregated, side: aggregatedSide, kind: arm.MySQLInstances,
			target: ownThroughAPIServer, Why: "The same as aggregated: the noise on the other control plane.",
		},
		{
			Name: "crd-apart", Repeats: "crd", form: install.CRD, side: crdApart, kind: arm.MySQLInstances,
			target: ownThroughAPIServer,
			Why:    "The same as crd on a control plane of its own: the noise between two control planes, which the forms have.",
		},
		{
			Name: "crd-schema-only", form: install.CRD, side: schemaSide, kind: arm.MySQLInstances,
			target:    ownThroughAPIServer,
			Reference: true, For: []string{"get-16k", "create-8", "create-32", "create-rate", "create-16k", "status", "merge-patch", "apply"},
			Why: "The CustomResourceDefinition at its cheapest: schema and CEL, no webhook.",
		},
		{
			Name: "crd-cbor", Encoding: arm.CBOR, form: install.CRD, side: cborSide, kind: arm.MySQLInstances,
			target: throughAPIServer, Reference: true, For: []string{"get-16k", "list-cached", "create-16k"},
			Why: "The same in CBOR, served and stored, behind an alpha feature gate: the binary encoding of custom resources.",
		},
		{
			Name: "crd-hop", form: install.CRD, side: hopSide, kind: arm.MySQLInstances, target: behind(extensionsServer),
			Reference: true, For: []string{"get-16k", "list-cached"},
			Why: "The same custom resource from a process of its own behind the APIService: the price of the hop alone.",
		},
		{
			Name: Direct, form: install.Aggregated, side: aggregatedSide, kind: arm.MySQLInstances, target: direct,
			Reference: true, For: []string{"get-many-8", "get-rate", "get-16k", "list-cached", "watch-10", "watch-100"},
			Why: "The aggregated server without kube-apiserver in front of it: what is left without the hop.",
		},
		{
			Name: "aggregated-protobuf", Encoding: arm.Protobuf, form: install.Aggregated, side: aggregatedSide,
			kind: arm.MySQLInstances, target: throughAPIServer,
			Reference: true, For: []string{"get-16k", "list-cached", "list-4", "list-16k", "create-16k"},
			Why: "The aggregated server with the encoding that a CustomResourceDefinition cannot have.",
		},
		{
			Name: "aggregated-own-etcd", form: install.Aggregated, side: aggregatedOwn, kind: arm.MySQLInstances,
			target:    ownThroughAPIServer,
			Reference: true, For: []string{"list-cached", "list-busy"},
			Why: "The aggregated server with an etcd that nobody else writes to.",
		},
		{
			Name: "crd-masters", form: install.CRD, side: crdSide, kind: arm.MySQLInstances, target: masters,
			Reference: true,
			Why:       "The same as crd for a member of system:masters: without authorization, and without priority and fairness.",
		},
		{
			Name: "aggregated-masters", form: install.Aggregated, side: aggregatedSide, kind: arm.MySQLInstances,
			target:    masters,
			Reference: true,
			Why:       "The same as aggregated for a member of system:masters: nobody asks whether the user may.",
		},
		{
			Name: "crd-cel-0", form: install.CRD, side: schemaSide, kind: celKind(0), target: celTarget(0),
			Reference: true, For: []string{"create-16k"},
			Why: "A copy of the CustomResourceDefinition without any rule in CEL.",
		},
		{
			Name: "crd-cel-100", form: install.CRD, side: schemaSide, kind: celKind(100), target: celTarget(100),
			Reference: true, For: []string{"create-16k"},
			Why: "The copy with a hundred cheap rules: what CEL costs beyond crd-cel-0, by writes.",
		},
		{
			Name: "sample-apiserver", form: arm.Peer, side: crdSide, kind: arm.Flunders, target: behind(sampleServer),
			Reference: true,
			Why:       "Upstream's example of an aggregated server with the options that it comes with.",
		},
		{
			Name: "sample-apiserver-witness", Repeats: "sample-apiserver", Witness: true, form: arm.Peer, side: crdSide,
			kind: arm.Flunders, target: throughAPIServer,
			Reference: true,
			Why:       "The same measured by client-go in a plain loop: whether the benchmark's own numbers are right.",
		},
		{
			Name: "configmap", form: arm.BuiltIn, side: crdSide, kind: arm.ConfigMaps, target: throughAPIServer,
			Reference: true, For: []string{"get-16k", "get-rate", "list-cached", "create-8", "create-rate"},
			Why: "A flat kind that is built into kube-apiserver: typed code and no hop.",
		},
		{
			Name: "configmap-witness", Repeats: "configmap", Witness: true, form: arm.BuiltIn, side: crdSide,
			kind: arm.ConfigMaps, target: throughAPIServer,
			Reference: true,
			Why:       "The same measured by client-go in a plain loop: whether the benchmark's own numbers are right.",
		},
		{
			Name: "ingress", form: arm.BuiltIn, side: crdSide, kind: arm.Ingresses, target: throughAPIServer,
			Reference: true,
			Why:       "A structured kind that is built in and that no controller here acts on.",
		},
		{
			Name: "configmap-protobuf", Encoding: arm.Protobuf, form: arm.BuiltIn, side: crdSide, kind: arm.ConfigMaps,
			target:    throughAPIServer,
			Reference: true, For: []string{"get-16k", "list-cached"},
			Why: "A built-in kind as its own clients speak to it.",
		},
		{
			Name: "etcd", form: arm.Storage, side: crdSide, kind: arm.MySQLInstances, target: storage,
			Reference: true,
			Why:       "The same bytes in etcd without any API: what no API server is faster than.",
		},
		{
			Name: Echo, form: arm.Transport, side: crdSide, kind: arm.MySQLInstances, target: echoed(false),
			Reference: true,
			Why:       "A server that only answers: what the connection costs on this machine.",
		},
		{
			Name: EchoProxied, form: arm.Transport, side: crdSide, kind: arm.MySQLInstances, target: echoed(true),
			Reference: true,
			Why:       "The same behind a reverse proxy: the least that a hop costs.",
		},
	}
}

// Default are the arms of a run that does not say which: the two forms, one of them twice, and what is built in.
func Default() []string { return []string{"crd", "aggregated", "crd-again", "configmap"} }

// All is the name that stands for every arm.
const All = "all"

// Named returns the entries of the given names, in the order of Entries, and adds what one of them repeats.
func Named(names ...string) ([]Entry, error) {
	wanted := map[string]bool{}
	var known []string
	for _, entry := range Entries() {
		known = append(known, entry.Name)
	}
	for _, name := range names {
		if name == All {
			return Entries(), nil
		}
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown arm %q; there are %q, and %s", name, known, All)
		}
		wanted[name] = true
	}
	var out []Entry
	for _, entry := range Entries() {
		if wanted[entry.Name] && entry.Repeats != "" {
			wanted[entry.Repeats] = true
		}
	}
	for _, entry := range Entries() {
		if wanted[entry.Name] {
			out = append(out, entry)
		}
	}
	return out, nil
}

// Sides are the control planes that entries need. Profiles, by the side's name, replace those of the lineup.
func Sides(forms install.Forms, entries []Entry, profiles map[string]string) ([]matrix.SideOptions, error) {
	var out []matrix.SideOptions
	for _, s := range sidesInThisOrder {
		if !slices.ContainsFunc(entries, func(e Entry) bool { return e.side == s }) {
			continue
		}
		form, err := forms.Named(s.form)
		if err != nil {
			return nil, err
		}
		profile, err := install.ProfileOf(form, cmp.Or(profiles[s.name], s.profile))
		if err != nil {
			return nil, err
		}
		options := matrix.SideOptions{Name: s.name, Form: form, Profile: profile}
		if s.gates != "" {
			options.APIServerArgs = []string{"--feature-gates=" + s.gates}
		}
		out = append(out, options)
	}
	return out, nil
}

// kindIn is the entry's kind where the instances are served in those versions, the storage version first. Only that one has
// other encodings than JSON.
func (e Entry) kindIn(versions []string, seed uint64) (*arm.Kind, error) {
	kind, err := e.kind(seed)
	if err != nil {
		return nil, err
	}
	if kind.Resource.Group == install.Group && e.Encoding == "" && len(versions) > 1 {
		kind.OldVersion = versions[len(versions)-1]
	}
	return kind, nil
}

// Arms are the entries on sides that run, with the form installed.
func Arms(ctx context.Context, entries []Entry, sides matrix.Sides, seed uint64) ([]*arm.Arm, error) {
	var arms []*arm.Arm
	for _, entry := range entries {
		at := slices.IndexFunc(sides, func(s *matrix.Side) bool { return s.Name == entry.side.name })
		if at < 0 {
			return nil, fmt.Errorf("could not line up %s: there is no side %s", entry.Name, entry.side.name)
		}
		kind, err := entry.kindIn(sides[at].Form.Versions(sides[at].Profile), seed)
		if err != nil {
			return nil, err
		}
		target, err := entry.target(ctx, sides[at])
		if err != nil {
			return nil, fmt.Errorf("could not line up %s: %w", entry.Name, err)
		}
		arms = append(arms, &arm.Arm{
			Name: entry.Name, Form: entry.form, Repeats: entry.Repeats, Plane: entry.side.name, Encoding: entry.Encoding,
			Witness: entry.Witness, Reference: entry.Reference, For: entry.For, Why: entry.Why,
			Target: target, Kind: kind,
		})
	}
	return arms, nil
}
