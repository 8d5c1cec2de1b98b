// Package suite is what the Ginkgo suites below e2e share: the forms, the programs built once, and control planes that
// are gone, with every process, when the container that opened one ends. It exists apart from the suites because test
// files cannot be imported.
package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gopsutil "github.com/shirou/gopsutil/v4/process"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	crdimpl "github.com/duet-api/duet/crd-impl"
	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/controlplane/assets"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// Forms under test.
var Forms = install.Forms{crdimpl.Form{}, aggregatedimpl.Form{}}

// programs that an installation runs, and the packages they are built from.
var programs = map[string]string{
	"duet-apiserver":  "./aggregated-impl/cmd/apiserver",
	"crd-webhook":     "./crd-impl/cmd/crd-webhook",
	"duet-controller": "./shared/cmd/controller",
}

// BuildPrograms builds what an installation runs, for BeforeSuite, and returns the directory. It is gone when the suite
// ends. The root of the module is given from where the suite is.
func BuildPrograms(root string) string {
	GinkgoHelper()
	binaries, err := os.MkdirTemp("", "duet-e2e-bin-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, binaries)
	for name, pkg := range programs {
		build(root, binaries, name, pkg)
	}
	return binaries
}

// BuildDuet adds the command line to what BuildPrograms has built, and returns its path.
func BuildDuet(root, binaries string) string {
	GinkgoHelper()
	return build(root, binaries, "duet", "./bench/cmd/duet")
}

func build(root, binaries, name, pkg string) string {
	GinkgoHelper()
	By("building " + name)
	path := filepath.Join(binaries, name)
	build := exec.Command("go", "build", "-o", path, pkg)
	build.Dir = root
	build.Stdout, build.Stderr = GinkgoWriter, GinkgoWriter
	Expect(build.Run()).To(Succeed(), "could not build %s", pkg)
	return path
}

// Open starts a control plane and installs a form there. Both are gone when the container that called it ends, and so
// is every process: that is checked. Of the plane's options only those that differ from suite to suite are needed.
func Open(
	ctx context.Context, form install.Implementation, profile, binaries string, plane controlplane.Options,
) *behaviour.Site {
	GinkgoHelper()
	plane.Name, plane.Dir, plane.Out = form.Name(), GinkgoT().TempDir(), GinkgoWriter
	site, err := behaviour.StartSite(ctx, behaviour.SiteOptions{
		Form: form, Profile: profile, Forms: Forms, Binaries: binaries, Plane: plane,
		Progress: func(format string, args ...any) { By(fmt.Sprintf(format, args...)) },
	})
	if site != nil {
		DeferCleanup(func(ctx context.Context) {
			before, err := site.Plane.Runner().List(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(site.Stop(ctx)).To(Succeed())
			for _, status := range before {
				Expect(syscall.Kill(status.PID, 0)).To(MatchError(syscall.ESRCH), "%s is still there", status.Spec.Name)
			}
		})
	}
	Expect(err).NotTo(HaveOccurred())
	Expect(site.Install(ctx)).To(Succeed())
	return site
}

// Run a command to its end, whatever its exit code.
func Run(cmd *exec.Cmd) (code int, stdout, stderr string) {
	GinkgoHelper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		Expect(err).NotTo(HaveOccurred())
	}
	GinkgoWriter.Printf("$ %q: %d\n%s%s", cmd.Args, cmd.ProcessState.ExitCode(), &out, &errOut)
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// Kubectl runs a command as the administrator, and returns what it prints.
func Kubectl(ctx context.Context, site *behaviour.Site, args ...string) string {
	GinkgoHelper()
	finder, err := assets.NewFinder(GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	path, err := finder.Find(ctx, assets.Kubectl)
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.CommandContext(ctx, path, append([]string{"--kubeconfig", site.Plane.AdminKubeconfig()}, args...)...)
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "kubectl %v: %s", args, out)
	return string(out)
}

// ProcessesOf are the living processes that were started for a directory, with their pids.
func ProcessesOf(ctx context.Context, dir string) []string {
	GinkgoHelper()
	all, err := gopsutil.ProcessesWithContext(ctx)
	Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, p := range all {
		if command, err := p.CmdlineWithContext(ctx); err == nil && strings.Contains(command, dir) { // or it has ended meanwhile
			found = append(found, fmt.Sprintf("%d %s", p.Pid, command))
		}
	}
	return found
}

// shownLines of each log are shown with a failure.
const shownLines = 20

// ShowLogs adds the end of every process's log to the report: the files go with the control plane. A site that is nil
// did not start, and has said why.
func ShowLogs(ctx context.Context, site *behaviour.Site) {
	if site == nil {
		return
	}
	statuses, err := site.Plane.Runner().List(ctx)
	if err != nil {
		AddReportEntry("processes", err.Error())
		return
	}
	for _, status := range statuses {
		tail, err := process.LogTail(status.LogFile, shownLines)
		if err != nil {
			tail = []string{err.Error()}
		}
		AddReportEntry(fmt.Sprintf("%s (%s)", status.Spec.Name, status.State), strings.Join(tail, "\n"))
	}
}
