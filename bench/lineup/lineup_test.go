package lineup_test

import (
	"testing"

	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/bench/scenario"
)

// What a reference is there for is what it would not take part in otherwise.
func TestReferencesAreThereForWhatThereIs(t *testing.T) {
	for _, entry := range lineup.Entries() {
		if !entry.Reference && len(entry.For) > 0 {
			t.Errorf("%s takes part in everything, and is there for %q", entry.Name, entry.For)
		}
		for _, name := range entry.For {
			found, err := scenario.Named(name)
			if err != nil {
				t.Errorf("%s: %v", entry.Name, err)
			} else if found[0].Level <= scenario.Quick {
				t.Errorf("%s is there for %s, which every arm takes part in", entry.Name, name)
			}
		}
	}
}
