// Package controller_test watches the controller at its work on whole instances, on both forms with the same specs: a
// control plane with a scheduler and fake nodes for each form, where pods become Ready and claims get volumes, and what
// a user does to an instance is answered as on a real cluster.
//
// It exists beside the controller's own suite because that one has no StatefulSet controller, no scheduler and no form:
// the order of restarts, and a claim that grows under its pod, are only to be seen here. What MySQL itself does is not:
// nothing runs in the pods. Each scenario is played twice, the second time with the controller killed in its middle.
package controller_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
)

// binaries is the directory of the built programs.
var binaries string

func TestController(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts() // a spec's context has no end of its own
	RunSpecs(t, "Controller")
}

var _ = BeforeSuite(func() { binaries = suite.BuildPrograms("../..") })

var _ = Describe("An instance", func() {
	for _, form := range suite.Forms {
		Context("served by "+form.Name(), Ordered, ContinueOnFailure, Label(form.Name()), func() {
			var site *behaviour.Site

			BeforeAll(func(ctx context.Context) {
				site = suite.Open(ctx, form, "", binaries, controlplane.Options{Kwok: true})
			})
			JustAfterEach(func(ctx context.Context) {
				if CurrentSpecReport().Failed() {
					suite.ShowLogs(ctx, site)
				}
			})
			open := func(ctx context.Context) *stage { return newStage(ctx, site) }

			creationSpecs(open)
			adoptionSpecs(open)
			for _, s := range scenarios {
				It(s.name, func(ctx context.Context) { s.play(ctx, open(ctx), false) })
				It(s.name+", although the controller is killed in the middle", Label("killed"), func(ctx context.Context) {
					s.play(ctx, open(ctx), true)
				})
			}
		})
	}
})
