package install

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

func TestAdopted(t *testing.T) {
	instance := func(namespace, name, uid, previous string) metav1.PartialObjectMetadata {
		meta := metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)}
		if previous != "" {
			meta.Annotations = map[string]string{v1.AnnotationPreviousUID: previous}
		}
		return metav1.PartialObjectMetadata{ObjectMeta: meta}
	}
	owner := func(name, uid string) metav1.OwnerReference {
		return metav1.OwnerReference{APIVersion: Group + "/v1", Kind: "MySQLInstance", Name: name, UID: types.UID(uid)}
	}
	for name, test := range map[string]struct {
		instances   []metav1.PartialObjectMetadata
		has, parked []metav1.OwnerReference
		want        []metav1.OwnerReference
	}{
		"the owner is there": {
			instances: []metav1.PartialObjectMetadata{instance("a", "db", "1", "")},
			parked:    []metav1.OwnerReference{owner("db", "1")}, want: []metav1.OwnerReference{owner("db", "1")},
		},
		"it was made anew": {
			instances: []metav1.PartialObjectMetadata{instance("a", "db", "2", "1")},
			parked:    []metav1.OwnerReference{owner("db", "1")}, want: []metav1.OwnerReference{owner("db", "2")},
		},
		"it is gone": {
			instances: []metav1.PartialObjectMetadata{instance("a", "db", "2", "")},
			parked:    []metav1.OwnerReference{owner("db", "1")},
		},
		"another one says that it was it": {
			instances: []metav1.PartialObjectMetadata{instance("a", "other", "2", "1"), instance("b", "db", "3", "1")},
			parked:    []metav1.OwnerReference{owner("db", "1")},
		},
		"it has been given back already": {
			instances: []metav1.PartialObjectMetadata{instance("a", "db", "2", "1")},
			has:       []metav1.OwnerReference{owner("db", "2")}, parked: []metav1.OwnerReference{owner("db", "1")},
			want: []metav1.OwnerReference{owner("db", "2")},
		},
		"one of two is there, and somebody else's stays": {
			instances: []metav1.PartialObjectMetadata{instance("a", "db", "2", "1")},
			has:       []metav1.OwnerReference{{Kind: "ConfigMap", Name: "c", UID: "9"}},
			parked:    []metav1.OwnerReference{owner("gone", "7"), owner("db", "1")},
			want:      []metav1.OwnerReference{{Kind: "ConfigMap", Name: "c", UID: "9"}, owner("db", "2")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			child := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "a", OwnerReferences: test.has}}
			if diff := cmp.Diff(test.want, adopted(child, test.parked, heirs(test.instances))); diff != "" {
				t.Errorf("owners (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLiving(t *testing.T) {
	instance := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: "a", Name: "db", UID: "2", Annotations: map[string]string{v1.AnnotationPreviousUID: "1"},
	}}
	ours := func(name, uid string) metav1.OwnerReference {
		return metav1.OwnerReference{APIVersion: Group + "/v1alpha1", Kind: "MySQLInstance", Name: name, UID: types.UID(uid)}
	}
	others := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "db", UID: "2"}
	for name, test := range map[string]struct {
		namespace string
		owner     metav1.OwnerReference
		parked    bool
	}{
		"it is there":                       {"a", ours("db", "2"), true},
		"it is there, and was made anew":    {"a", ours("db", "1"), true},
		"it is gone":                        {"a", ours("went", "7"), false},
		"it is gone, and one has its name":  {"a", ours("db", "7"), false},
		"it is there, in another namespace": {"b", ours("db", "2"), false},
		"it is somebody else's":             {"a", others, false},
	} {
		t.Run(name, func(t *testing.T) {
			child := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
				Namespace: test.namespace, OwnerReferences: []metav1.OwnerReference{test.owner},
			}}
			parked, left := split(child, living([]metav1.PartialObjectMetadata{instance}))
			var wantParked, wantLeft []metav1.OwnerReference
			if test.parked {
				wantParked = child.OwnerReferences
			} else {
				wantLeft = child.OwnerReferences
			}
			if diff := cmp.Diff([][]metav1.OwnerReference{wantParked, wantLeft}, [][]metav1.OwnerReference{parked, left}); diff != "" {
				t.Errorf("parked and left (-want +got):\n%s", diff)
			}
		})
	}
}
