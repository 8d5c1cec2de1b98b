// Package switching_test changes the form of an API that is in use, and judges what its clients saw of it.
//
// It exists apart from the other suites because a change that nobody notices can only be told from one that loses
// something under load: hundreds of requests a second in both versions, watches and informers, the controller and the
// garbage collector at work, and the store itself as witness (package consistency). The verdicts say how much there was
// to see, and are in the report of every spec.
//
// What a run costs is set by its arguments, after -args:
//
//	-objects 40        that are there all the time; others come and go
//	-rate 15           writes in a second, and as many reads, as far as the machine can
//	-watches 20        of which every fifth is an informer of client-go
//	-calm 3s           between two switches
//	-round-trips 1     to the other form and back
//	-apiservers 2      on one etcd, but for kill -9 and encryption; every client is sent to one of them
//	-full              strategies dedicated and api too, load without a switch, and faults, and not only one short switch
//	-steps NAMES       of the faults: the steps to kill in, with commas between them; all if there is none
//	-record DIR        keep each history and verdict there, as JSON
//
// The defaults are for `make test`; `make test-switch` has the full run.
package switching_test

import (
	"context"
	"flag"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

// The size of the run.
var (
	objects    = flag.Int("objects", 40, "instances that are there all the time")
	rate       = flag.Int("rate", 15, "writes in a second, and as many reads")
	watches    = flag.Int("watches", 20, "watches, every fifth of them an informer")
	calm       = flag.Duration("calm", 3*time.Second, "time between two switches")
	roundTrips = flag.Int("round-trips", 1, "switches to the other form and back")
	steps      = flag.String("steps", "", "steps to kill in; all if empty")
	record     = flag.String("record", "", "directory for histories and verdicts")
	apiServers = flag.Int("apiservers", 2, "kube-apiservers on one etcd, but for kill -9 and encryption")
	full       = flag.Bool("full", false, "strategies dedicated and api too, load without a switch, and faults")
)

// binaries is the directory of the built programs.
var binaries string

func TestSwitching(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts() // a spec's context has no end of its own
	RunSpecs(t, "Switching")
}

var _ = BeforeSuite(func() { binaries = suite.BuildPrograms("../..") })

const (
	// patience is how long a spec may take: ten round trips under full load on a small machine.
	patience = 90 * time.Minute
	// settling is how long anything in it may take to come to rest.
	settling = 10 * time.Minute
)

// Who is accused of something by a load that nothing happens to cannot be accused of it in a switch.
var _ = Describe("Load without a switch", func() {
	if !*full {
		return
	}
	for _, form := range suite.Forms {
		Context("on "+form.Name(), Ordered, Label(form.Name()), func() {
			place := open(form, controlplane.Options{APIServers: *apiServers})

			It("leaves nothing to complain of", SpecTimeout(patience), func(ctx context.Context) {
				load := start(ctx, *place, &population{})
				load.calm(ctx)
				verdict := load.finish(ctx, strict)
				Expect(verdict.Counts.Failures).To(BeZero())
			})
		})
	}
})

// open starts a control plane for the specs of a container, and installs a form there.
func open(form install.Implementation, plane controlplane.Options) **behaviour.Site {
	return placed(func(ctx context.Context) *behaviour.Site { return suite.Open(ctx, form, "", binaries, plane) })
}

// placed starts a place for the specs of a container, and shows its logs when one fails.
func placed(begin func(context.Context) *behaviour.Site) **behaviour.Site {
	var site *behaviour.Site
	BeforeAll(func(ctx context.Context) { site = begin(ctx) })
	JustAfterEach(func(ctx context.Context) {
		if CurrentSpecReport().Failed() {
			suite.ShowLogs(ctx, site)
		}
	})
	return &site
}
