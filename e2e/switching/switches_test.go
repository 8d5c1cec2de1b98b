package switching_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/switching"
)

// switchTo switches once, in one run, and reports how long each step took and what its own canaries saw.
func (l *load) switchTo(ctx context.Context, options switching.Options) *switching.Result {
	GinkgoHelper()
	By(fmt.Sprintf("switching to %s (%s)", options.To, options.Strategy))
	result, err := l.switcher().Run(ctx, options)
	Expect(err).NotTo(HaveOccurred())
	var steps []string
	for _, step := range result.Steps {
		steps = append(steps, fmt.Sprintf("%s %s", step.Name, step.Took.Round(time.Millisecond)))
	}
	windows := result.Windows
	AddReportEntry("switch to "+options.To, fmt.Sprintf("%s\n"+
		"canaries: %d writes, refused for %s; %d reads, refused for %s, put off for %s; %d watch restarts",
		strings.Join(steps, ", "), windows.Writes, windows.WriteRefused.Duration, windows.Reads,
		windows.ReadRefused.Duration, windows.ReadPutOff.Duration, windows.WatchRestarts))
	return result
}

// mark puts the progress of a switch into the record, so that a violation can be seen to come after it.
func (l *load) mark(format string, args ...any) {
	l.recorder.Mark(format, args...)
	GinkgoWriter.Printf(format+"\n", args...)
}

var _ = Describe("A switch of strategy shared", Ordered, Label("shared"), func() {
	place := open(suite.Forms[0], controlplane.Options{APIServers: *apiServers})

	It("is noticed by nobody, there and back", SpecTimeout(patience), func(ctx context.Context) {
		load := start(ctx, *place, &population{})
		for range *roundTrips {
			for _, to := range []string{install.Aggregated, install.CRD} {
				load.calm(ctx)
				windows := load.switchTo(ctx, switching.Options{To: to, Strategy: switching.Shared}).Windows
				Expect(windows.WriteRefused.Duration).To(BeZero(), "its canary's writes were refused")
				Expect(windows.ReadRefused.Duration).To(BeZero(), "its canary's reads were refused")
			}
		}
		load.calm(ctx)
		verdict := load.finish(ctx, strict)
		Expect(verdict.Counts.Failures).To(BeZero())
		Expect(verdict.Counts.Unknown).To(BeZero())
	})
})
