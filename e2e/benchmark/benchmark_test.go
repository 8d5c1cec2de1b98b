// Package benchmark_test runs `duet bench` as its users do, on control planes of its own and on a cluster of somebody
// else's. What it measures cannot be tested; that every arm answers, that an interrupted run goes on, and that nothing is
// left running or lying about can.
package benchmark_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
)

// duet is the path of the program.
var duet, binaries string

func TestBenchmark(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	RunSpecs(t, "Benchmark")
}

var _ = BeforeSuite(func() {
	binaries = suite.BuildPrograms("../..")
	duet = suite.BuildDuet("../..", binaries)
})

// arms of each way in which requests reach something, on as few control planes as there can be.
var arms = []string{
	"crd", "aggregated", "aggregated-direct", "configmap", "configmap-witness", "etcd", "echo-proxied",
}

// scenarios of each kind of loop.
var scenarios = []string{"get-one", "create", "watch"}

var _ = Describe("duet bench", func() {
	It("measures, goes on after an interruption, and leaves nothing running", func(ctx context.Context) {
		out := GinkgoT().TempDir()
		By("interrupting it after its first rounds")
		cmd := exec.CommandContext(ctx, duet, "bench", "--profile", "smoke", "--traces", "--out", out,
			"--arm", strings.Join(arms, ","), "--scenario", strings.Join(scenarios, ","))
		pipe, err := cmd.StderrPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(cmd.Start()).To(Succeed())
		progress := bufio.NewScanner(pipe)
		told := func(what string) bool {
			for progress.Scan() {
				GinkgoWriter.Println(progress.Text())
				if strings.Contains(progress.Text(), what) {
					return true
				}
			}
			return false
		}
		for range 2 { // tenths of the run: with the second one, the first is kept
			Expect(told("measure: ")).To(BeTrue(), "it ended before it measured")
		}
		Expect(cmd.Process.Signal(os.Interrupt)).To(Succeed())
		Expect(told("duet bench --resume ")).To(BeTrue(), "it does not say how to go on")
		Expect(told("anything more")).To(BeFalse())
		Expect(cmd.Wait()).To(HaveOccurred())
		Expect(cmd.ProcessState.ExitCode()).To(Equal(1))
		Expect(suite.ProcessesOf(ctx, out)).To(BeEmpty())

		dirs, err := filepath.Glob(filepath.Join(out, "*"))
		Expect(err).NotTo(HaveOccurred())
		Expect(dirs).To(HaveLen(1))
		before := read(dirs[0]).Bench
		Expect(before.Interrupted).To(BeTrue())
		Expect(before.Rounds).To(And(BeNumerically(">", 0), BeNumerically("<", before.Profile.Rounds)))

		By("going on")
		code, _, stderr := run(ctx, "bench", "--resume", dirs[0])
		Expect(code).To(BeZero(), stderr)
		Expect(suite.ProcessesOf(ctx, out)).To(BeEmpty())
		after := read(dirs[0]).Bench
		Expect(after.Interrupted).To(BeFalse())
		Expect(after.Rounds).To(Equal(after.Profile.Rounds))
		Expect(after.Resumptions).To(HaveLen(1))
		Expect(after.Rows[:len(before.Rows)]).To(Equal(before.Rows), "what was measured is another")
		for _, row := range after.Rows {
			Expect(row.Errors).To(BeEmpty(), "%s on %s", row.Scenario, row.Arm)
		}
		for _, scenario := range scenarios {
			for _, arm := range arms {
				if scenario == "watch" && (arm == "configmap-witness" || arm == "etcd" || arm == "echo-proxied") {
					continue // it has no watches
				}
				Expect(after.Summary(scenario, arm)).To(HaveField("P50.Median", BeNumerically(">", 0)), "%s on %s", scenario, arm)
			}
		}
		Expect(after.Traces).NotTo(BeNil())
		Expect(after.Traces.Operations).NotTo(BeEmpty())
		Expect(after.Traces.Missing).To(BeNumerically("<", after.Traces.Requests), "hardly any request could be followed")

		By("reading what it has written")
		code, stdout, stderr := run(ctx, "bench", "compare", dirs[0], dirs[0])
		Expect(code).To(BeZero(), stderr)
		Expect(stdout).To(ContainSubstring("0 in which they contradict each other"))
		code, stdout, stderr = run(ctx, "bench", "gate", dirs[0])
		Expect(code).To(Or(BeZero(), Equal(3)), stderr)
		Expect(stdout).To(ContainSubstring("generator-share"))
		code, _, stderr = run(ctx, "bench", "--resume", dirs[0])
		Expect(code).To(Equal(1))
		Expect(stderr).To(ContainSubstring("it is complete"))
	})

	It("measures a cluster that is there, unless a controller is at work, and leaves nothing on it", func(ctx context.Context) {
		site := suite.Open(ctx, suite.Forms[1], "", binaries, controlplane.Options{})
		config, err := site.Plane.AdminConfig()
		Expect(err).NotTo(HaveOccurred())
		client, err := kubernetes.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		there := func(ctx context.Context) ([]string, error) {
			namespaces, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, err
			}
			roles, err := client.RbacV1().ClusterRoles().List(ctx, metav1.ListOptions{})
			var names []string
			for _, each := range namespaces.Items {
				names = append(names, "namespace "+each.Name)
			}
			for _, each := range roles.Items {
				names = append(names, "cluster role "+each.Name)
			}
			return names, err
		}
		before, err := there(ctx)
		Expect(err).NotTo(HaveOccurred())
		out := GinkgoT().TempDir()
		args := []string{
			"bench", "--profile", "smoke", "--out", out, "--scenario", "get-one",
			"--kubeconfig", site.Plane.AdminKubeconfig(),
		}
		code, _, stderr := run(ctx, args...)
		Expect(code).To(Equal(1))
		Expect(stderr).To(ContainSubstring("a controller acts on the instances of this cluster"))
		Eventually(there).WithContext(ctx).Should(ConsistOf(before))

		Expect(site.Installer.StopController(ctx)).To(Succeed())
		code, _, stderr = run(ctx, args...)
		Expect(code).To(BeZero(), stderr)
		Eventually(there).WithContext(ctx).Should(ConsistOf(before))
		dirs, err := filepath.Glob(filepath.Join(out, "*"))
		Expect(err).NotTo(HaveOccurred())
		Expect(dirs).To(HaveLen(1))
		measured := read(dirs[0]).Bench
		Expect(measured.Absent).NotTo(BeEmpty(), "what needs control of processes is not said to be missing")
		for _, arm := range []string{"aggregated", "aggregated-again", "configmap"} {
			Expect(measured.Summary("get-one", arm)).To(HaveField("P50.Median", BeNumerically(">", 0)), arm)
		}
		for _, row := range measured.Rows {
			Expect(row.Errors).To(BeEmpty(), "%s on %s", row.Scenario, row.Arm)
		}
	})
})

// run a command line to its end.
func run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	GinkgoHelper()
	return suite.Run(exec.CommandContext(ctx, duet, args...))
}

// read the run in a directory.
func read(dir string) report.Run {
	GinkgoHelper()
	file, err := os.Open(filepath.Join(dir, "results.json"))
	Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	measured, err := report.ReadJSON(file)
	Expect(err).NotTo(HaveOccurred())
	return measured
}
