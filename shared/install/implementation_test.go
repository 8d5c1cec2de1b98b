package install

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
)

// form is an Implementation with a name, two profiles and nothing behind it.
type form string

func (f form) Name() string                           { return string(f) }
func (form) Profiles() []string                       { return []string{"shared", "own"} }
func (form) Capabilities(string) sets.Set[Capability] { return nil }
func (form) Versions(string) []string                 { return []string{"v1"} }
func (form) Park(*Plan) []*unstructured.Unstructured  { return nil }
func (form) Storage(profile string) Storage {
	return map[string]Storage{"shared": ControlPlaneEtcd, "own": DedicatedEtcd}[profile]
}
func (form) Plan(context.Context, *Environment, string) (*Plan, error) { return &Plan{}, nil }

func TestNamedListsWhatThereIs(t *testing.T) {
	forms := Forms{form(CRD), form(Aggregated)}
	if got, err := forms.Named(Aggregated); err != nil || got.Name() != Aggregated {
		t.Errorf("Named(%q) = %v, %v", Aggregated, got, err)
	}
	if _, err := forms.Named("grpc"); err == nil || !strings.Contains(err.Error(), "crd, aggregated") {
		t.Errorf("an unknown form is refused with the known ones, got: %v", err)
	}
}

func TestProfileOf(t *testing.T) {
	for flag, want := range map[string]string{"": "shared", "shared": "shared", "own": "own"} {
		if got, err := ProfileOf(form(CRD), flag); err != nil || got != want {
			t.Errorf("ProfileOf(%q) = %q, %v, want %q", flag, got, err, want)
		}
	}
	if _, err := ProfileOf(form(CRD), "fast"); err == nil || !strings.Contains(err.Error(), "shared, own") {
		t.Errorf("an unknown profile is refused with the known ones, got: %v", err)
	}
}

func TestRefuse(t *testing.T) {
	for name, test := range map[string]struct {
		form     form
		profile  string
		detected Detected
		record   Record
		want     string // part of the error; empty when it is allowed
	}{
		"nothing there":        {form: CRD, profile: "shared"},
		"again":                {form: CRD, profile: "shared", detected: Detected{Form: CRD}, record: Record{Form: CRD, Storage: ControlPlaneEtcd}},
		"over the other":       {form: Aggregated, profile: "shared", detected: Detected{Form: CRD}, want: "duet switch --to aggregated"},
		"over somebody else's": {form: CRD, profile: "shared", detected: Detected{Foreign: "default/other"}, want: "default/other"},
		"over a parked CRD": {
			form: Aggregated, profile: "shared", detected: Detected{ParkedCRD: true},
			record: Record{Form: CRD, Storage: ControlPlaneEtcd},
		},
		"where the objects left behind would not be seen": {
			form: CRD, profile: "shared", record: Record{Form: Aggregated, Storage: DedicatedEtcd}, want: "left its objects in",
		},
		"to another storage": {
			form: Aggregated, profile: "own", detected: Detected{Form: Aggregated},
			record: Record{Form: Aggregated, Storage: ControlPlaneEtcd}, want: "a dedicated etcd",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&Installer{}).refuse(test.form, test.profile, test.detected, test.record)
			if test.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}
