package lineup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/shared/install"
)

// The old version is there for whoever speaks JSON to the instances, where the cluster serves it.
func TestClusterArmsKnowTheOldVersion(t *testing.T) {
	for name, test := range map[string]struct {
		versions []string
		want     map[string]string
	}{
		"two versions": {[]string{"v1", "v1alpha1"}, map[string]string{
			"aggregated": "v1alpha1", "aggregated-again": "v1alpha1", "aggregated-protobuf": "", "configmap": "",
		}},
		"one": {[]string{"v1"}, map[string]string{
			"aggregated": "", "aggregated-again": "", "aggregated-protobuf": "", "configmap": "",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			entries, _, err := lineup.OnCluster(install.Aggregated, "shared-etcd", "aggregated", "aggregated-again",
				"aggregated-protobuf", "configmap")
			if err != nil {
				t.Fatal(err)
			}
			arms, err := lineup.ClusterArms(entries, test.versions, nil, nil, 7)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, a := range arms {
				got[a.Name] = a.Kind.OldVersion
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("unexpected old versions (-want +got):\n%s", diff)
			}
		})
	}
}
