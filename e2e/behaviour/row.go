package behaviour

import (
	"context"
	"fmt"
	"slices"

	"github.com/duet-api/duet/shared/install"
)

// Group is a part of the comparison.
type Group string

// Groups, in the order a reader meets them.
const (
	Machinery   Group = "API machinery"
	Validation  Group = "Validation and defaulting"
	Versioning  Group = "Versioning and conversion"
	Subresource Group = "Subresources"
	Storage     Group = "Storage"
	Security    Group = "Security"
	Failures    Group = "Failure modes"
	Operations  Group = "Operations"
	Clients     Group = "Clients"
)

// Flag is how a row relates to the official documentation.
type Flag string

// Flags.
const (
	// Documented: the forms differ, and the documentation says so.
	Documented Flag = "documented"
	// Undocumented: the forms differ, and the documentation does not say so.
	Undocumented Flag = "undocumented"
	// Parity: the forms do the same. The aggregated form may have had to work for it.
	Parity Flag = "parity"
	// Outdated: the documentation says something else than Kubernetes 1.36 does.
	Outdated Flag = "docs outdated"
)

// Labels that rows carry beside their group.
const (
	// Slow rows take more than a few seconds.
	Slow = "slow"
	// Disruptive rows run one at a time, after the others: they stop, hang or reconfigure what the others need, or start
	// a control plane of their own.
	Disruptive = "disruptive"
)

// Expectation is what each form is expected to do, in the words of the observation.
type Expectation struct {
	CRD        string
	Aggregated string
	// Profiles are those of either form that do something else, by name.
	Profiles map[string]string
}

// Both expects the same of both forms.
func Both(summary string) Expectation { return Expectation{CRD: summary, Aggregated: summary} }

// Of is the expectation of one form in one profile.
func (e Expectation) Of(form, profile string) string {
	if own, differs := e.Profiles[profile]; differs {
		return own
	}
	if form == install.Aggregated {
		return e.Aggregated
	}
	return e.CRD
}

// Row is one line of the comparison.
type Row struct {
	// ID never changes; other pages refer to it.
	ID    string
	Group Group
	Title string
	// Why a user cares, in one sentence.
	Why string
	// Source is where the claim comes from: a page, a KEP, an issue or a file of Kubernetes.
	Source string
	Flag   Flag
	Labels []string
	// Needs are what a form must be able to do for the row to say anything. A difference between the forms is not a
	// need: it is what the row is there to show.
	Needs []install.Capability
	// Site: the probe needs the subject's Site, since it looks at processes, files or etcd and not only at the API. On a
	// cluster of somebody else's the row is reported as not applicable.
	Site   bool
	Expect Expectation
	// Probe looks. It works in the subject's namespace, which it has to itself, and asks nothing about the form.
	Probe func(context.Context, *Subject) (Observation, error)
}

// Rows are all rows, by group and then in the order of the reference.
func Rows() []Row {
	return slices.Concat(
		machineryRows, patchRows, watchRows, listRows, decodingRows, metadataRows, discoveryRows, freshnessRows,
		validationRows, oldObjectRows, admissionRows, webhookRows,
		versioningRows, storageVersionRows, rolloutRows,
		subresourceRows, ownSubresourceRows, streamRows,
		storageRows, keyRows, historyRows,
		securityRows, identityRows, delegationRows, fairnessRows,
		countingRows, tracingRows, registrationRows, trustRows, lifecycleRows, rotationRows, migrationRows, apartRows,
		outageRows, bystanderRows, reachRows, hangingRows, dependenceRows, registrationFailureRows, scaleRows, clientOutageRows,
		clientRows, commandRows, autoscalingRows, typedClientRows,
		gatedRows,
	)
}

// observed makes an observation from a format.
func observed(format string, args ...any) (Observation, error) {
	return Observation{Summary: fmt.Sprintf(format, args...)}, nil
}

// Slow is whether the row takes more than a few seconds, most of them waiting.
func (r Row) Slow() bool { return slices.Contains(r.Labels, Slow) }

// Disruptive is whether the row must run alone.
func (r Row) Disruptive() bool { return slices.Contains(r.Labels, Disruptive) }

// AllLabels are what a filter may ask for: the row's group, ID and labels.
func (r Row) AllLabels() []string { return append([]string{string(r.Group), r.ID}, r.Labels...) }

// missing is why a subject cannot show a row, or empty.
func (r Row) missing(s *Subject) string {
	if r.Site && s.Site == nil {
		return "the row needs a control plane of Duet's own, to stop its processes or to read its etcd and logs"
	}
	for _, need := range r.Needs {
		if !s.Capabilities.Has(need) {
			return fmt.Sprintf("the %s form's profile %s has no %s", s.Form, s.Profile, need)
		}
	}
	return ""
}
