package report

import (
	"fmt"
	"maps"
	"reflect"
	"runtime/debug"
	"slices"
	"time"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/measure"
	"github.com/duet-api/duet/shared/controlplane/assets"
)

// NewCard is the card of a run that begins now, on this machine and with this program. Command repeats the run.
func NewCard(now time.Time, command string, flags map[string]string) Card {
	return Card{
		ID: now.UTC().Format("20060102-150405"), Started: now, Command: command, Flags: flags,
		Machine: measure.ThisMachine(), Revision: revision(), Versions: versions(), Limits: []string{arm.Limits},
	}
}

// Changes are what a run that goes on now, with this program, would not have in common with the card of its beginning.
func (c Card) Changes(now Card) []string {
	var out []string
	differ := func(what string, was, is any) {
		if !reflect.DeepEqual(was, is) {
			out = append(out, fmt.Sprintf("%s: it was %v, and is %v", what, was, is))
		}
	}
	was, is := c.Machine, now.Machine
	was.Load1, is.Load1 = 0, 0 // which changes all the time
	differ("machine", was, is)
	differ("source revision", c.Revision, now.Revision)
	names := func(of map[string]string) []string { return slices.Collect(maps.Keys(of)) }
	for _, about := range []struct {
		what    string
		was, is map[string]string
	}{{"version of", c.Versions, now.Versions}, {"flag", c.Flags, now.Flags}} {
		all := append(names(about.was), names(about.is)...)
		slices.Sort(all)
		for _, name := range slices.Compact(all) {
			differ(about.what+" "+name, about.was[name], about.is[name])
		}
	}
	return out
}

func versions() map[string]string {
	found := map[string]string{"Kubernetes": assets.KubernetesVersion, "etcd": assets.EtcdVersion}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			switch dependency.Path {
			case "k8s.io/apiserver", "k8s.io/client-go", "sigs.k8s.io/controller-runtime":
				found[dependency.Path] = dependency.Version
			}
		}
	}
	return found
}

// revision of the source that this program was built from, if the build knows it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, changed := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			changed = "+changes"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + changed
}
