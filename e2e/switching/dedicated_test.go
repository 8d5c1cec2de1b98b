package switching_test

import (
	"context"
	"net/http"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/consistency"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/switching"
)

// fenced tolerates that writes are refused, as the fence refuses them, for as long as copying takes, and nothing else.
var fenced = withFence(strict)

// withFence tolerates that too.
func withFence(options consistency.Options) consistency.Options {
	options.Writes.Codes = append(slices.Clone(options.Writes.Codes), http.StatusUnprocessableEntity)
	return options
}

// dedicatedStore is the name of the etcd of the aggregated form in the record.
const dedicatedStore = "dedicated"

var _ = Describe("A switch of strategy dedicated", Ordered, Label("dedicated"), func() {
	if !*full {
		return
	}
	place := open(suite.Forms[0], controlplane.Options{APIServers: *apiServers})

	It("refuses writes for a while, and is noticed by nobody else, there and back", SpecTimeout(patience),
		func(ctx context.Context) {
			load := start(ctx, *place, &population{})
			for range *roundTrips {
				for _, to := range []string{install.Aggregated, install.CRD} {
					load.calm(ctx)
					load.copyTo(ctx, to)
				}
			}
			load.calm(ctx)
			load.finish(ctx, fenced)
			load.refusedWhileFenced()
		})
})

// Writes are refused and let in again in a switch that copies, and a run that goes on must know on which side of that it is.
// No etcd is killed here, but without a load: what it compacts in the import, the oracle could not go on from.
var _ = Describe("A switch of strategy dedicated, with kill -9", Ordered, Label("dedicated-faults"), func() {
	if !*full {
		return
	}
	place := openSupervised()
	there := &population{}

	for _, victim := range []string{duet, controlplane.APIServer, "duet-apiserver"} {
		It("of "+victim+" in each step comes to its end, and loses nothing", Label(victim), SpecTimeout(patience),
			func(ctx context.Context) {
				load := start(ctx, *place, there)
				inEachStep(victim, func(step switching.Step, to string) (bool, string) {
					return load.copyWithout(ctx, victim, step, to)
				})
				load.finish(ctx, withFence(without(victim)))
				load.refusedWhileFenced()
			})
	}
})

// copyWithout does what copyTo does, with a victim killed in a step.
func (l *load) copyWithout(ctx context.Context, victim string, step switching.Step, to string) (killed bool, outcome string) {
	GinkgoHelper()
	copies := switching.Options{To: to, Strategy: switching.Dedicated, Until: switching.Import}
	flips := switching.Options{To: to, Strategy: switching.Dedicated}
	steps := switching.Steps()
	if slices.Index(steps, step) > slices.Index(steps, copies.Until) {
		l.goesOn(ctx, copies)
		l.followTo(ctx, to)
		return l.switchWithout(ctx, victim, step, flips)
	}
	killed, outcome = l.switchWithout(ctx, victim, step, copies)
	l.followTo(ctx, to)
	l.goesOn(ctx, flips)
	return killed, outcome
}

// copyTo switches in two runs, so that the oracle of a store is there before the store is served from.
func (l *load) copyTo(ctx context.Context, to string) {
	GinkgoHelper()
	options := switching.Options{To: to, Strategy: switching.Dedicated, Until: switching.Import}
	l.switchTo(ctx, options)
	l.followTo(ctx, to)
	options.Until = ""
	windows := l.switchTo(ctx, options).Windows
	Expect(windows.ReadRefused.Duration).To(BeZero(), "its canary's reads were refused")
}

// followTo listens to the store that is about to be served from.
func (l *load) followTo(ctx context.Context, to string) {
	GinkgoHelper()
	if l.store = l.storeOf(to); l.store != "" {
		l.followDedicated(ctx, false)
	}
}

// followDedicated listens to the etcd that only the aggregated form has.
func (l *load) followDedicated(ctx context.Context, beside bool) {
	GinkgoHelper()
	if l.stores[dedicatedStore] != nil {
		return
	}
	form, err := suite.Forms.Named(install.Aggregated)
	Expect(err).NotTo(HaveOccurred())
	for _, profile := range form.Profiles() {
		if form.Storage(profile) == install.DedicatedEtcd {
			plan, err := l.site.Installer.Env.Plan(ctx, form, profile)
			Expect(err).NotTo(HaveOccurred())
			l.follow(ctx, dedicatedStore, plan.Etcd, beside)
		}
	}
}

// refusedWhileFenced makes sure that writes were refused between the beginning of a fence and the end of its switch
// only.
func (l *load) refusedWhileFenced() {
	GinkgoHelper()
	refused := 0
	for _, operation := range l.history.Operations {
		if operation.Answer.Code != http.StatusUnprocessableEntity {
			continue
		}
		refused++
		up := false
		for _, mark := range l.history.Marks {
			if mark.At > operation.Return {
				break
			}
			switch mark.Text {
			case string(switching.Fence):
				up = true
			case string(switching.Confirm):
				// The fence was lowered before, and the answer may have been under way.
				up = mark.At > operation.Call
			}
		}
		Expect(up).To(BeTrue(), "refused without a fence: %s", operation)
	}
	Expect(refused).To(BeNumerically(">", 0), "no write met the fence")
}
