package switching_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/consistency"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/switching"
)

// kill -9 hits a step by chance. Here a switch is interrupted wherever it tells anything, once for each thing that it tells,
// and goes on.
var _ = Describe("A switch that is interrupted", Label("interrupted"), func() {
	if !*full {
		return
	}
	for strategy, tolerance := range map[switching.Strategy]consistency.Options{
		switching.Shared: strict, switching.Dedicated: fenced,
	} {
		Context("of strategy "+string(strategy), Ordered, Label(string(strategy)+"-interrupted"), func() {
			place := open(suite.Forms[0], controlplane.Options{APIServers: *apiServers})

			It("comes to its end, and loses nothing, wherever that is", SpecTimeout(4*patience), func(ctx context.Context) {
				load := start(ctx, *place, &population{})
				for _, to := range []string{install.Aggregated, install.CRD} {
					if strategy == switching.Dedicated {
						load.copyTo(ctx, to) // so that both stores are listened to
					}
				}
				var table []string
				for places, more := 1, true; more; places++ {
					more = false
					for _, to := range []string{install.Aggregated, install.CRD} {
						options := switching.Options{To: to, Strategy: strategy}
						if told := load.interruptedAt(ctx, places, options); told != "" {
							table, more = append(table, fmt.Sprintf("to %-10s  after %q", to, told)), true
						}
						load.goesOn(ctx, options)
						if strategy == switching.Dedicated {
							load.store = load.storeOf(to)
						}
					}
				}
				AddReportEntry("interrupted", strings.Join(table, "\n"))
				load.finish(ctx, tolerance)
			})
		})
	}
})

// The same with the other way on: back. No load is needed to see whether what a rollback finds is enough for it: every object and
// child is looked at.
var _ = Describe("A switch that is interrupted, and taken back", Label("taken-back"), func() {
	if !*full {
		return
	}
	for _, strategy := range []switching.Strategy{switching.Shared, switching.Dedicated} {
		Context("of strategy "+string(strategy), Ordered, Label(string(strategy)+"-taken-back"), func() {
			place := open(suite.Forms[0], controlplane.Options{APIServers: *apiServers})
			there := &population{}

			for _, to := range []string{install.Aggregated, install.CRD} {
				It("towards "+to+" is as it was, wherever that is", SpecTimeout(4*patience), func(ctx context.Context) {
					load := settle(ctx, *place, there)
					options := switching.Options{To: to, Strategy: strategy}
					if to == install.CRD {
						load.goesOn(ctx, switching.Options{To: install.Aggregated, Strategy: strategy})
					}
					before := load.held(ctx)
					var table []string
					for places := 1; ; places++ {
						told := load.interruptedAt(ctx, places, options)
						state, err := load.site.Installer.ReadSwitch(ctx)
						Expect(err).NotTo(HaveOccurred())
						if state != nil && (state.Phase == install.Switching || state.Phase == install.Switched && state.To.Form == to) {
							load.goesOn(ctx, switching.Options{Rollback: true})
						}
						load.expectMoved(ctx, before, 0)
						status, err := load.site.Installer.Status(ctx)
						Expect(err).NotTo(HaveOccurred())
						Expect(status.Form).NotTo(Equal(to))
						if told == "" {
							break // It had come to its end, and was taken back all the same.
						}
						table = append(table, fmt.Sprintf("after %q", told))
					}
					AddReportEntry("taken back", strings.Join(table, "\n"))
				})
			}
		})
	}
})

// interruptedAt switches until so many things have been told, and says which was the last; nothing if the switch had come to
// its end by then.
func (l *load) interruptedAt(ctx context.Context, places int, options switching.Options) (told string) {
	GinkgoHelper()
	By(fmt.Sprintf("switching to %s, interrupted after %d lines", options.To, places))
	ctx, interrupt := context.WithCancel(ctx)
	defer interrupt()
	progress := func(format string, args ...any) {
		l.mark(format, args...)
		if places--; places == 0 {
			told = fmt.Sprintf(format, args...)
			interrupt()
		}
	}
	installer := l.site.Installer
	before := installer.Progress
	defer func() { installer.Progress = before }()
	installer.Progress = progress
	_, err := switching.New(installer, progress).Run(ctx, options)
	if told == "" {
		Expect(err).NotTo(HaveOccurred())
	}
	return told
}
