package lineup

import (
	"fmt"
	"slices"

	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/report"
)

// clusterPlane is the control plane of arms on a cluster that somebody else runs.
const clusterPlane = "cluster"

// beyond is what arms need that a cluster which somebody else runs does not give.
var beyond = map[string]string{
	"crd-apart":                "needs a second control plane",
	"crd-hop":                  "needs a server of Duet's own beside the cluster's etcd",
	"sample-apiserver":         "needs a server of Duet's own beside the cluster's etcd",
	"crd-cbor":                 "needs a feature gate of kube-apiserver",
	"crd-masters":              "needs a certificate of the cluster's authority",
	"aggregated-masters":       "needs a certificate of the cluster's authority",
	"crd-cel-0":                "needs a CustomResourceDefinition of the benchmark's own",
	"crd-cel-100":              "needs a CustomResourceDefinition of the benchmark's own",
	"sample-apiserver-witness": "needs a server of Duet's own beside the cluster's etcd",
	Direct:                     "needs a way to the port of the aggregated server itself",
	"etcd":                     "needs a way to the cluster's etcd",
	Echo:                       "needs a server of Duet's own beside kube-apiserver",
	EchoProxied:                "needs a server of Duet's own beside kube-apiserver",
}

// OnCluster are the entries that can be measured on a cluster with one form, of those of the given names, or of all if
// there are none, and why the others cannot. What is built in comes first, so that the form is compared with it, and the
// form's first arm has a repetition in any case: without one nothing could be told from noise.
func OnCluster(form, profile string, names ...string) (entries []Entry, absent []report.Absence, err error) {
	wanted := Entries()
	if len(names) > 0 {
		if wanted, err = Named(names...); err != nil {
			return nil, nil, err
		}
	}
	for _, entry := range wanted {
		if why := entry.missing(form, profile); why != "" {
			absent = append(absent, report.Absence{What: "arm " + entry.Name, Why: why})
			continue
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return nil, nil, fmt.Errorf("could not measure any of the arms that were asked for on a cluster with the form %s (profile %s): "+
			"leave --arm out to measure what there is", form, profile)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return order(a) - order(b) })
	return withRepetition(entries, form), absent, nil
}

func order(e Entry) int {
	if e.form == arm.BuiltIn {
		return 0
	}
	return 1
}

// missing is why an entry cannot be measured on a cluster with that form, empty if it can.
func (e Entry) missing(form, profile string) string {
	switch {
	case beyond[e.Name] != "":
		return beyond[e.Name]
	case e.form == arm.BuiltIn:
		return ""
	case e.form != form:
		return fmt.Sprintf("needs the form %s, and the cluster has %s", e.form, form)
	case e.side.profile != profile:
		return fmt.Sprintf("needs the form %s in the profile %s, and the cluster has it in %s", form, e.side.profile, profile)
	}
	return ""
}

// withRepetition adds one to the form's first arm, or else to the first of all, if no arm is repeated.
func withRepetition(entries []Entry, form string) []Entry {
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.Repeats != "" && !e.Witness }) {
		return entries
	}
	at := max(slices.IndexFunc(entries, func(e Entry) bool { return e.form == form }), 0)
	again := entries[at]
	again.Name, again.Repeats = entries[at].Name+"-again", entries[at].Name
	return slices.Insert(slices.Clone(entries), at+1, again)
}

// ClusterArms are entries on a cluster that is reached as an administrator and as the user whose requests are measured. It
// serves the instances in those versions, the storage version first.
func ClusterArms(entries []Entry, versions []string, admin, user *rest.Config, seed uint64) ([]*arm.Arm, error) {
	var arms []*arm.Arm
	for _, entry := range entries {
		kind, err := entry.kindIn(versions, seed)
		if err != nil {
			return nil, err
		}
		arms = append(arms, &arm.Arm{
			Name: entry.Name, Form: entry.form, Repeats: entry.Repeats, Plane: clusterPlane, Encoding: entry.Encoding, Witness: entry.Witness,
			Why:    entry.Why,
			Target: arm.Kubernetes{Config: user, Admin: admin}, Kind: kind,
		})
	}
	return arms, nil
}
