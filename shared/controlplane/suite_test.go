package controlplane_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gopsutil "github.com/shirou/gopsutil/v4/process"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// superviseEnv makes this test program a control plane of its own, for the specs that kill it.
const superviseEnv = "DUET_TEST_CONTROL_PLANE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(superviseEnv); dir != "" {
		if _, err := controlplane.Start(context.Background(), controlplane.Options{Dir: dir, Out: os.Stderr}); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		fmt.Println("ready")
		select {} // until it is killed
	}
	os.Exit(m.Run())
}

func TestControlPlane(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "Control plane")
}

// start starts a control plane in this program, and stops it when the spec ends.
func start(ctx context.Context, dir string) *controlplane.ControlPlane {
	GinkgoHelper()
	plane, err := controlplane.Start(ctx, controlplane.Options{Name: "test", Dir: dir, Out: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) { Expect(plane.Stop(ctx)).To(Succeed()) })
	return plane
}

func adminOf(plane *controlplane.ControlPlane) kubernetes.Interface {
	GinkgoHelper()
	config, err := plane.AdminConfig()
	return clientFor(config, err)
}

func clientFor(config *rest.Config, err error) kubernetes.Interface {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	return client
}

// pids of the components, by name.
func pids(ctx context.Context, runner process.Runner) map[string]int {
	GinkgoHelper()
	statuses, err := runner.List(ctx)
	Expect(err).NotTo(HaveOccurred())
	found := map[string]int{}
	for _, status := range statuses {
		found[status.Spec.Name] = status.PID
	}
	Expect(found).To(HaveLen(len(controlplane.Components())))
	return found
}

// processesOf are the living processes that a control plane in dir has on this machine, whoever owns them.
func processesOf(ctx context.Context, dir string) []string {
	GinkgoHelper()
	all, err := gopsutil.ProcessesWithContext(ctx)
	Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, p := range all {
		// A process that ended meanwhile has no command line any more.
		if command, err := p.CmdlineWithContext(ctx); err == nil && strings.Contains(command, filepath.Clean(dir)+"/") {
			found = append(found, fmt.Sprintf("%d %s", p.Pid, command))
		}
	}
	return found
}
