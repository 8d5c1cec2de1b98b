package switching_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/consistency"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
	"github.com/duet-api/duet/shared/switching"
)

// without is what may fail while a victim is killed. Nothing may be lost, and nothing that exists may be not found. When duet
// is killed, no server is.
func without(victim string) consistency.Options {
	if victim == duet {
		return strict
	}
	outage := consistency.Allowance{Codes: []int{
		consistency.NoAnswer, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout,
	}, Longest: settling}
	if victim == controlplane.APIServer {
		// It answers before it has read who may do what.
		outage.Codes = append(outage.Codes, http.StatusForbidden)
	}
	return consistency.Options{
		Reads: outage, Writes: outage, Streams: []int{http.StatusInternalServerError, http.StatusServiceUnavailable},
		Unmanaged: victim == "crd-webhook", NobodyElseDeletes: true,
	}
}

// duet is the victim that is the program which switches. Its others are processes of the control plane.
const duet = "duet"

// victims of kill -9. Those that are always there are killed in each step, and a webhook server or an aggregated server in some.
var (
	always  = []string{duet, controlplane.Etcd, controlplane.APIServer}
	victims = append(slices.Clone(always), "duet-apiserver", "crd-webhook")
)

// Each victim is killed in every step of a switch there and of one back, and started again. The switch goes on by
// itself, or is run again.
var _ = Describe("A switch of strategy shared, with kill -9", Ordered, Label("faults"), func() {
	if !*full {
		return
	}
	place := openSupervised()
	there := &population{}

	for _, victim := range victims {
		It("of "+victim+" in each step comes to its end, and loses nothing", Label(victim), SpecTimeout(patience),
			func(ctx context.Context) {
				load := start(ctx, *place, there)
				inEachStep(victim, func(step switching.Step, to string) (bool, string) {
					return load.switchWithout(ctx, victim, step, switching.Options{To: to, Strategy: switching.Shared})
				})
				load.finish(ctx, without(victim))
				Expect(install.Serves(ctx, load.config(), load.site.Form.Versions(load.site.Profile)...)).To(Succeed())
			})
	}
})

// inEachStep does what kills a victim in a step, there and back, and reports how it went. What does it says whether the
// victim was there to be killed, which only servers need not be.
func inEachStep(victim string, do func(step switching.Step, to string) (killed bool, outcome string)) {
	GinkgoHelper()
	var table []string
	kills := 0
	for _, step := range chosen() {
		for _, to := range []string{install.Aggregated, install.CRD} {
			killed, outcome := do(step, to)
			if killed {
				kills++
			}
			table = append(table, fmt.Sprintf("%-9s to %-10s  %s", step, to, outcome))
		}
	}
	AddReportEntry("kill -9 of "+victim, strings.Join(table, "\n"))
	if slices.Contains(always, victim) {
		Expect(kills).To(Equal(len(table)), "it was not killed in each step")
	}
	Expect(kills).To(BeNumerically(">", 0), "it never ran")
}

// chosen are the steps that victims are killed in.
func chosen() []switching.Step {
	GinkgoHelper()
	if *steps == "" {
		return switching.Steps()
	}
	var some []switching.Step
	for name := range strings.SplitSeq(*steps, ",") {
		step, err := switching.ParseStep(name)
		Expect(err).NotTo(HaveOccurred())
		some = append(some, step)
	}
	return some
}

// beDismissed matches the error about a process that the switch itself has stopped meanwhile.
var beDismissed = WithTransform(func(err error) bool {
	var unknown *process.UnknownError
	return errors.As(err, &unknown)
}, BeTrue())

// openSupervised is open for a program that switches.
func openSupervised(apiServerArgs ...string) **behaviour.Site {
	return placed(func(ctx context.Context) *behaviour.Site { return supervised(ctx, apiServerArgs...) })
}

// supervised is a control plane with a form, which duet finds as one of its own: it is asked at its socket.
func supervised(ctx context.Context, apiServerArgs ...string) *behaviour.Site {
	GinkgoHelper()
	suite.BuildDuet("../..", binaries)
	dir := GinkgoT().TempDir()
	Expect(controlplane.PrepareDir(dir)).To(Succeed())
	supervisor, err := process.NewSupervisor(dir)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(supervisor.Close)
	socket := process.SocketPath(dir)
	listener, err := process.Listen(socket)
	Expect(err).NotTo(HaveOccurred())
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var server sync.WaitGroup
	server.Go(func() {
		defer GinkgoRecover()
		Expect((&process.Server{Runner: supervisor, Shutdown: stop}).Serve(serving, listener)).To(Succeed())
	})
	DeferCleanup(func() {
		stop()
		server.Wait()
	})
	site, err := behaviour.StartSite(ctx, behaviour.SiteOptions{
		Form: suite.Forms[0], Forms: suite.Forms, Binaries: binaries,
		Plane: controlplane.Options{
			Name: "faults", Dir: dir, Out: GinkgoWriter, Runner: process.NewClient(socket), APIServerArgs: apiServerArgs,
		},
		Progress: func(format string, args ...any) { By(fmt.Sprintf(format, args...)) },
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(site.Install(ctx)).To(Succeed())
	return site
}

// switchWithout switches, kills a victim in a step, and goes on until the switch is done. It says whether the victim ran
// then, and how it went.
func (l *load) switchWithout(
	ctx context.Context, victim string, step switching.Step, options switching.Options,
) (bool, string) {
	GinkgoHelper()
	By(fmt.Sprintf("switching to %s, with kill -9 of %s in %s", options.To, victim, step))
	killed, err := l.firstRun(ctx, victim, step, options)
	if killed == "" {
		Expect(err).NotTo(HaveOccurred())
		return false, victim + " did not run then"
	}
	if err == nil {
		return true, killed + "; the run came to its end"
	}
	l.mark("the run ended: %v", err)
	runs := 1
	Eventually(func(ctx context.Context) error {
		runs++
		result, err := l.switcher().Run(ctx, options)
		l.learn(result)
		return err
	}).WithContext(ctx).WithTimeout(settling).WithPolling(time.Second).Should(Succeed())
	return true, fmt.Sprintf("%s; run %d came to its end", killed, runs)
}

// learn how long the steps take that a run has done.
func (l *load) learn(result *switching.Result) {
	if result == nil {
		return
	}
	for _, step := range result.Steps {
		l.lengths[result.To+" "+string(step.Name)] = step.Took.Duration
	}
}

// early is how long no step is shorter of which nobody knows yet how long it is.
const early = 300 * time.Millisecond

// moment in a step, by chance: anywhere in it, as far as earlier runs have shown how long it is. Its end is left out, for it may
// be shorter the next time; half of the last one, which no line comes after that would tell.
func (l *load) moment(to string, step switching.Step) time.Duration {
	length := l.lengths[to+" "+string(step)] * 3 / 4
	if step == switching.Confirm {
		length = length * 2 / 3
	}
	if length > 0 {
		return rand.N(length)
	}
	return rand.N(early)
}

// errKilled is how a run of the program ends that was killed.
var errKilled = errors.New("duet was killed")

// killDuet runs the program and kills it in a step.
func (l *load) killDuet(ctx context.Context, step switching.Step, options switching.Options) {
	GinkgoHelper()
	after := l.moment(options.To, step)
	By(fmt.Sprintf("switching to %s, with kill -9 of duet %s after %s began", options.To, after.Round(time.Millisecond), step))
	Expect(l.killedRun(ctx, step, after, options)).To(MatchError("signal: killed"), "it ended by itself")
}

// firstRun says when the victim was killed, or nothing if it was not there to be killed, and how the run ended.
func (l *load) firstRun(
	ctx context.Context, victim string, step switching.Step, options switching.Options,
) (killed string, err error) {
	GinkgoHelper()
	if victim == duet {
		l.killDuet(ctx, step, options)
		return "killed", errKilled
	}
	after := l.moment(options.To, step)
	var killing sync.WaitGroup
	inStep, over := context.WithCancel(ctx)
	defer over()
	began := func() {
		// In the middle of what the step does. Some victims are started in it, and who is always there is killed in any case.
		killing.Go(func() {
			defer GinkgoRecover()
			select {
			case <-time.After(after):
			case <-inStep.Done():
			}
			switch {
			case slices.Contains(always, victim) && inStep.Err() != nil:
				killed = "killed when the step had ended"
			case slices.Contains(always, victim) || l.awaitRunning(inStep, victim):
				killed = "killed"
			default:
				return
			}
			l.mark("kill -9 of %s", victim)
			Expect(l.runner().Kill(ctx, victim)).To(Or(Succeed(), beDismissed))
			Expect(l.runner().Restart(ctx, victim)).To(Or(Succeed(), beDismissed))
		})
	}
	in := false
	progress := func(format string, args ...any) {
		l.mark(format, args...)
		line := fmt.Sprintf(format, args...)
		switch {
		case line == string(step):
			in = true
			began()
		case in && slices.Contains(switching.Steps(), switching.Step(line)):
			over()
		}
	}
	result, err := switching.New(l.site.Installer, progress).Run(ctx, options)
	l.learn(result)
	over()
	killing.Wait()
	return killed, err
}

// awaitRunning says whether a process runs before a step is over.
func (l *load) awaitRunning(inStep context.Context, name string) bool {
	return wait.PollUntilContextCancel(inStep, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		status, err := process.Find(ctx, l.runner(), name)
		return err == nil && status.State == process.Running, nil
	}) == nil
}

// killedRun runs the program and kills it some time after it says that it begins a step. Its error is that it was killed,
// unless it ended before.
func (l *load) killedRun(ctx context.Context, step switching.Step, after time.Duration, options switching.Options) error {
	GinkgoHelper()
	run := exec.CommandContext(ctx, filepath.Join(binaries, duet),
		"switch", "--dir", l.site.Plane.Dir(),
		"--to", options.To, "--strategy", string(options.Strategy), "--until", string(options.Until))
	progress, err := run.StderrPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(run.Start()).To(Succeed())
	kill := sync.OnceFunc(func() {
		l.mark("kill -9 of %s", duet)
		_ = run.Process.Kill() // That it was not too late is seen by how it ended.
	})
	in := false
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		l.mark("%s", lines.Text())
		switch {
		case lines.Text() == string(step):
			in = true
			time.AfterFunc(after, kill)
		case in && slices.Contains(switching.Steps(), switching.Step(lines.Text())):
			kill()
		}
	}
	return run.Wait()
}

func (l *load) runner() process.Runner { return l.site.Plane.Runner() }

func (l *load) switcher() *switching.Switcher { return switching.New(l.site.Installer, l.mark) }
