// Package release knows the MySQL releases that an instance may ask for. It is data with a few questions that can be
// asked of it, so that validation, warnings and the controller cannot disagree about what comes after what; a test
// keeps the pattern in the CustomResourceDefinition equal to it.
package release

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/version"
)

// Support is how long a series is maintained.
type Support string

// Kinds of support, as the MySQL release model names them.
const (
	LongTerm   Support = "LTS"
	Innovation Support = "Innovation"
	Deprecated Support = "Deprecated"
)

// Series is a line of releases that upgrade into each other in place.
type Series struct {
	// Name as users write it.
	Name string
	// Minors are the X.Y that belong to it, in order.
	Minors []string
	// Newest is the newest X.Y.Z known to this build: where minorUpgradePolicy Automatic leads.
	Newest string
	// Support says whether to start with it.
	Support Support
}

// All is every supported series, each upgradable to the next one and no further.
var All = []Series{
	{Name: "8.0", Minors: []string{"8.0"}, Newest: "8.0.45", Support: Deprecated},
	{Name: "8.4", Minors: []string{"8.4"}, Newest: "8.4.8", Support: LongTerm},
	{Name: "9.x", Minors: []string{"9.0", "9.1", "9.2", "9.3", "9.4", "9.5", "9.6"}, Newest: "9.6.0", Support: Innovation},
}

// maxPatch is the highest Z the schema's pattern has room for.
const maxPatch = 99

// Version is a supported X.Y.Z.
type Version struct {
	parsed *version.Version
	series int
}

// Parse reads X.Y.Z of a supported series. Its error says which series there are.
func Parse(text string) (Version, error) {
	parsed, err := version.ParseSemantic(text)
	if err != nil || parsed.String() != text || parsed.PreRelease() != "" || parsed.BuildMetadata() != "" {
		return Version{}, fmt.Errorf("must be X.Y.Z of series %s", names())
	}
	minor := fmt.Sprintf("%d.%d", parsed.Major(), parsed.Minor())
	series := slices.IndexFunc(All, func(s Series) bool { return slices.Contains(s.Minors, minor) })
	if series < 0 || parsed.Patch() > maxPatch {
		return Version{}, fmt.Errorf("must be X.Y.Z of series %s", names())
	}
	return Version{parsed: parsed, series: series}, nil
}

// String is X.Y.Z.
func (v Version) String() string { return v.parsed.String() }

// Series the version belongs to.
func (v Version) Series() Series { return All[v.series] }

// Compare is negative if v is older than other, zero if it is the same, positive if it is newer.
func (v Version) Compare(other Version) int {
	switch {
	case v.parsed.LessThan(other.parsed):
		return -1
	case other.parsed.LessThan(v.parsed):
		return 1
	}
	return 0
}

// UpgradeFrom returns an error that says why an instance may not go from old to v: versions only rise, and by one
// series at a time, because MySQL upgrades its data dictionary over one series only.
func (v Version) UpgradeFrom(old Version) error {
	switch {
	case v.Compare(old) < 0:
		return fmt.Errorf("may not fall")
	case v.series > old.series+1:
		return fmt.Errorf("may rise by one release series at a time: go to %s first", All[old.series+1].Name)
	}
	return nil
}

// Towards is where one upgrade may lead on the way from v to a newer release: to that release, or to the newest of the
// next series if it lies beyond.
func (v Version) Towards(target Version) Version {
	if target.UpgradeFrom(v) == nil || target.Compare(v) < 0 {
		return target
	}
	newest, err := Parse(All[v.series+1].Newest)
	if err != nil {
		panic(fmt.Sprintf("release.All: %v", err)) // A test reads them all.
	}
	return newest
}

func names() string {
	list := ""
	for i, series := range All {
		switch {
		case i == 0:
		case i == len(All)-1:
			list += " or "
		default:
			list += ", "
		}
		list += series.Name
	}
	return list
}
