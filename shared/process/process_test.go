package process

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFlagIsTheLastValue(t *testing.T) {
	spec := Spec{Args: []string{"--a=1", "--ab=2", "--a=3=4"}}
	got := []string{spec.Flag("a"), spec.Flag("ab"), spec.Flag("b")}
	if diff := cmp.Diff([]string{"3=4", "2", ""}, got); diff != "" {
		t.Errorf("unexpected values (-want +got):\n%s", diff)
	}
}
