package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

var _ = Describe("duet up", func() {
	var dir string
	// succeed runs a command line about the spec's control plane.
	succeed := func(ctx context.Context, args ...string) string {
		GinkgoHelper()
		r := duet(ctx, args...)
		Expect(r.code).To(BeZero(), r.stderr)
		return r.stdout
	}

	BeforeEach(func() {
		// Longer than the path of a socket can be.
		dir = filepath.Join(GinkgoT().TempDir(), strings.Repeat("long", 25))
		DeferCleanup(func(ctx context.Context) {
			succeed(ctx, "down", "--dir", dir, "--delete-data")
			Expect(dir).NotTo(BeADirectory())
			Expect(processesOf(ctx, dir)).To(BeEmpty())
		})
	})

	It("leaves a control plane running that the other commands find, and down stops it", func(ctx context.Context) {
		By("starting it")
		up := duet(ctx, "up", "--dir", dir)
		Expect(up.code).To(BeZero())
		Expect(up.stderr).To(ContainSubstring("starting kube-apiserver on 127.0.0.1:"))
		Expect(up.stdout).To(And(
			ContainSubstring(`control plane "default" is up: Kubernetes v1.36.3 at https://127.0.0.1:`),
			ContainSubstring("kubeconfig: "+controlplane.AdminKubeconfig(dir)),
			ContainSubstring("duet down --dir "+dir)))

		By("starting it again")
		before := componentsOf(ctx, dir)
		again := duet(ctx, "up", "--dir", dir)
		Expect(again.code).To(BeZero())
		Expect(again.stdout).To(ContainSubstring("is already up"))
		Expect(again.stderr).NotTo(ContainSubstring("starting"))
		for name, pid := range pidsOf(before) {
			Expect(pidsOf(componentsOf(ctx, dir))).To(HaveKeyWithValue(name, pid))
		}

		By("using kubectl, whose exit code is passed on")
		Expect(succeed(ctx, "kubectl", "--dir", dir, "create", "configmap", "kept", "--from-literal=a=b")).To(ContainSubstring("created"))
		missing := duet(ctx, "kubectl", "--dir", dir, "--", "get", "configmap", "missing")
		Expect(missing.code).To(Equal(1))
		Expect(missing.stderr).To(HavePrefix("Error from server (NotFound)"))

		By("attaching to it")
		plane, err := controlplane.Open(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(plane.Runner()).To(BeAssignableToTypeOf(&process.Client{}))
		Expect(process.Find(ctx, plane.Runner(), controlplane.Etcd)).To(HaveField("State", process.Running))

		By("acting on its components")
		for _, step := range []struct {
			action, want string
			state        process.State
		}{
			{"pause", "kube-controller-manager is paused\n", process.Paused},
			{"resume", "kube-controller-manager runs again\n", process.Running},
			{"kill", "kube-controller-manager is killed\n", process.Exited},
			{"restart", "kube-controller-manager is restarted\n", process.Running},
		} {
			Expect(succeed(ctx, "components", step.action, "kube-controller-manager", "--dir", dir)).To(Equal(step.want))
			Expect(componentsOf(ctx, dir)).To(ContainElement(And(
				HaveField("Name", "kube-controller-manager"), HaveField("State", step.state))))
		}
		unknown := duet(ctx, "components", "kill", "kube-scheduler", "--dir", dir)
		Expect(unknown.code).To(Equal(exitFailure))
		Expect(unknown.stderr).To(Equal("error: there is no process \"kube-scheduler\"; there are: etcd, kube-apiserver, kube-controller-manager\n"))
		Expect(succeed(ctx, "components", "logs", "etcd", "--tail", "1", "--dir", dir)).To(MatchRegexp(`^[^\n]+\n$`))
		Expect(succeed(ctx, "components", "--dir", dir)).To(MatchRegexp(`(?m)^NAME +STATE +PID +CPU +MEMORY +RESTARTS +AGE\netcd +Running`))
		var fromYAML []component
		Expect(yaml.Unmarshal([]byte(succeed(ctx, "components", "-o", "yaml", "--dir", dir)), &fromYAML)).To(Succeed())
		Expect(fromYAML).To(ContainElement(gstruct.MatchFields(gstruct.IgnoreExtras, gstruct.Fields{
			"Name": Equal("kube-apiserver"), "CPUSeconds": BeNumerically(">", 0), "RSSBytes": BeNumerically(">", 10<<20),
			"LogFile": BeARegularFile(), "Command": ContainElement("--authorization-mode=RBAC"),
		})))

		By("losing the supervisor")
		state, err := controlplane.LoadState(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(syscall.Kill(state.Supervisor.PID, syscall.SIGKILL)).To(Succeed())
		Eventually(processesOf).WithContext(ctx).WithArguments(dir).Should(BeEmpty())
		_, err = controlplane.Open(dir)
		Expect(err).To(MatchError(ContainSubstring("start it with duet up")))
		note := duet(ctx, "kubectl", "--dir", dir, "get", "configmap", "kept")
		Expect(note.code).To(Equal(1))
		Expect(note.stderr).To(ContainSubstring(`control plane "default" is not up: start it with duet up`))
		succeed(ctx, "up", "--dir", dir)
		Expect(succeed(ctx, "kubectl", "--dir", dir, "get", "configmap", "kept", "-o", "jsonpath={.data.a}")).To(Equal("b"))

		By("losing a component")
		succeed(ctx, "components", "kill", "kube-apiserver", "--dir", dir)
		recovered := duet(ctx, "up", "--dir", dir)
		Expect(recovered.code).To(BeZero())
		Expect(recovered.stderr).To(And(ContainSubstring("starting kube-apiserver"), Not(ContainSubstring("starting etcd"))))

		By("stopping it, twice")
		Expect(succeed(ctx, "down", "--dir", dir)).To(And(ContainSubstring("is down"), ContainSubstring("its data stays in "+dir)))
		Expect(processesOf(ctx, dir)).To(BeEmpty())
		Expect(succeed(ctx, "down", "--dir", dir)).To(ContainSubstring("was not up"))
	})

	It("stops what it started when it is interrupted", func(ctx context.Context) {
		cmd := duetCommand(ctx, "up", "--dir", dir)
		progress, err := cmd.StderrPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(cmd.Start()).To(Succeed())
		lines := bufio.NewScanner(progress)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "starting kube-apiserver") {
			GinkgoWriter.Println(lines.Text())
		}
		Expect(processesOf(ctx, dir)).NotTo(BeEmpty())
		Expect(cmd.Process.Signal(os.Interrupt)).To(Succeed())
		var rest []string
		for lines.Scan() {
			rest = append(rest, lines.Text())
		}
		Expect(cmd.Wait()).NotTo(Succeed())
		Expect(cmd.ProcessState.ExitCode()).To(Equal(exitFailure))
		Expect(rest).To(ContainElements(Equal("stopping what was started"), ContainSubstring("interrupt signal received")))
		Expect(processesOf(ctx, dir)).To(BeEmpty())
	})

	It("adds fake nodes and a kube-apiserver to a control plane that is up, which keeps them", func(ctx context.Context) {
		succeed(ctx, "up", "--dir", dir)
		before := pidsOf(componentsOf(ctx, dir))
		Expect(before).To(HaveLen(3))
		Expect(succeed(ctx, "up", "--dir", dir, "--kwok", "--nodes", "2")).To(ContainSubstring("fake nodes: 2"))
		after := pidsOf(componentsOf(ctx, dir))
		Expect(after).To(And(HaveLen(5), HaveKey("kube-scheduler"), HaveKey("kwok")))
		for name, pid := range before {
			Expect(after).To(HaveKeyWithValue(name, pid), "it was started again")
		}
		Expect(strings.Fields(succeed(ctx, "kubectl", "--dir", dir, "get", "nodes", "-o", "name"))).
			To(Equal([]string{"node/fake-0", "node/fake-1"}))

		succeed(ctx, "down", "--dir", dir)
		Expect(processesOf(ctx, dir)).To(BeEmpty())
		Expect(succeed(ctx, "up", "--dir", dir)).To(ContainSubstring("fake nodes: 2"))
		Expect(componentsOf(ctx, dir)).To(HaveLen(5))
		succeed(ctx, "components", "kill", "kwok", "--dir", dir)
		Expect(duet(ctx, "status", "--dir", dir).stderr).To(ContainSubstring("kwok of control plane \"default\" is exited"))

		Expect(succeed(ctx, "up", "--dir", dir, "--apiservers", "2")).To(ContainSubstring(" and https://127.0.0.1:"))
		Expect(pidsOf(componentsOf(ctx, dir))).To(And(HaveLen(6), HaveKey("kube-apiserver-2")))
	})

	It("starts one control plane when it is run twice at once", func(ctx context.Context) {
		results := make(chan result, 2)
		for range 2 {
			go func() {
				defer GinkgoRecover()
				results <- duet(ctx, "up", "--dir", dir)
			}()
		}
		for range 2 {
			Expect((<-results).code).To(BeZero())
		}
		Expect(componentsOf(ctx, dir)).To(HaveLen(3))
	})
})

func componentsOf(ctx context.Context, dir string) []component {
	GinkgoHelper()
	r := duet(ctx, "components", "-o", "json", "--dir", dir)
	Expect(r.code).To(BeZero())
	var components []component
	Expect(json.Unmarshal([]byte(r.stdout), &components)).To(Succeed())
	return components
}

func pidsOf(components []component) map[string]int {
	pids := map[string]int{}
	for _, c := range components {
		pids[c.Name] = c.PID
	}
	return pids
}

// processesOf are the living processes that were started for dir, supervisor included, but for the command that the spec itself
// runs.
func processesOf(ctx context.Context, dir string) []string {
	GinkgoHelper()
	return slices.DeleteFunc(suite.ProcessesOf(ctx, dir), func(p string) bool { return strings.Contains(p, " up ") })
}
