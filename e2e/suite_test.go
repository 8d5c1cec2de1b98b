// Package e2e_test holds both forms to the behaviour rows, the corpus and the bad-input table, and the installer to its
// promises.
//
// Each form and profile gets a control plane of its own, so that nothing one of them leaves behind can help or hurt
// another. What is asked of one is asked there in turn, since starting a control plane costs more than asking.
// The programs are built once; kube-apiserver and etcd come from KUBEBUILDER_ASSETS, or from Duet's cache.
package e2e_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/suite"
)

// binaries is the directory of the built programs.
var binaries string

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts() // a spec's context has no end of its own
	RunSpecs(t, "End to end")
}

var _ = BeforeSuite(func() { binaries = suite.BuildPrograms("..") })

var _ = Describe("Duet", func() {
	for _, form := range suite.Forms {
		for i, profile := range form.Profiles() {
			Context(form.Name()+" "+profile, Ordered, ContinueOnFailure, Label(form.Name(), profile), func() {
				site := &site{form: form, profile: profile}

				BeforeAll(func(ctx context.Context) { site.open(ctx) })
				JustAfterEach(func(ctx context.Context) {
					if CurrentSpecReport().Failed() {
						suite.ShowLogs(ctx, site.Site)
					}
				})

				if i == 0 {
					behaviourSpecs(site, behaviour.Rows())
					badInputSpecs(site)
					mutationSpecs(site)
				} else {
					// What the slow rows look at is the work of the control plane's controllers, and bad input is met by
					// the same code in every profile.
					behaviourSpecs(site, fast(behaviour.Rows()))
				}
				corpusSpecs(site)
				installSpecs(site)
			})
		}
	}
})
