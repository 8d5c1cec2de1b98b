package switching

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/shared/install"
)

func TestOwnedByEachOther(t *testing.T) {
	owned := func(apiVersion, kind string) *unstructured.Unstructured {
		object := instance(nil)
		object.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: "owner", UID: "1"}})
		return object
	}
	reasons := ownedByEachOther(map[string]*unstructured.Unstructured{
		"ns/free":  instance(nil),
		"ns/other": owned("v1", "ConfigMap"),
		"ns/ours":  owned(install.Group+"/v1alpha1", "MySQLInstance"),
	})
	if len(reasons) != 1 || !strings.HasPrefix(reasons[0], "ns/ours is owned by MySQLInstance owner") {
		t.Errorf("reasons %q, want one about ns/ours", reasons)
	}
}

// Whoever uses a version has to find it again, there and back.
func TestLookAtVersions(t *testing.T) {
	for name, test := range map[string]struct {
		from, to []string
		refused  string // part of the reason
	}{
		"the same":         {from: []string{"v1", "v1alpha1"}, to: []string{"v1alpha1", "v1"}},
		"one would go":     {from: []string{"v1", "v1alpha1"}, to: []string{"v1"}, refused: "does not serve v1alpha1, which is served now"},
		"one would appear": {from: []string{"v1"}, to: []string{"v1", "v1alpha1"}, refused: "no way back"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &move{from: side{form: versioned{form{name: install.CRD}, test.from}}, to: side{form: versioned{form{name: install.Aggregated}, test.to}}}
			reasons, err := m.lookAtVersions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if (test.refused == "") != (len(reasons) == 0) || len(reasons) > 0 && !strings.Contains(reasons[0], test.refused) {
				t.Errorf("reasons %q, want one with %q", reasons, test.refused)
			}
		})
	}
}

// versioned is a form with versions of its own.
type versioned struct {
	form
	versions []string
}

func (v versioned) Versions(string) []string { return v.versions }

// Each revision that one storage is behind the other costs a write.
func TestApart(t *testing.T) {
	m := &move{from: side{form: form{name: install.CRD}}, to: side{form: form{name: install.Aggregated}}}
	for name, test := range map[string]struct {
		from, to int64
		refused  bool
	}{
		"ahead of it already":  {from: 10, to: 20},
		"as far as is made up": {from: farthest + 5, to: 5},
		"farther":              {from: farthest + 6, to: 5, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			if reason := m.apart(test.from, test.to); (reason != "") != test.refused {
				t.Errorf("reason %q, and refused should be %t", reason, test.refused)
			}
		})
	}
}
