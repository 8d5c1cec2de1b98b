// Package e2e_test holds both forms to the behaviour rows, the bad-input table and the corpus, on control planes of
// their own.
//
// Each form and profile gets a fresh control plane, so that nothing one of them leaves behind can help or hurt another.
// The programs are built once; kube-apiserver and etcd come from KUBEBUILDER_ASSETS, or from Duet's cache.
package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	crdimpl "github.com/duet-api/duet/crd-impl"
	"github.com/duet-api/duet/shared/install"
)

// programs that an installation runs, and the packages they are built from.
var programs = map[string]string{
	"duet-apiserver":  "./aggregated-impl/cmd/apiserver",
	"crd-webhook":     "./crd-impl/cmd/crd-webhook",
	"duet-controller": "./shared/cmd/controller",
}

// forms under test.
var forms = install.Forms{crdimpl.Form{}, aggregatedimpl.Form{}}

// binaries is the directory of the built programs.
var binaries string

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	RunSpecs(t, "End to end")
}

var _ = BeforeSuite(func() {
	var err error
	binaries, err = os.MkdirTemp("", "duet-e2e-bin-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, binaries)
	root, err := filepath.Abs("..")
	Expect(err).NotTo(HaveOccurred())
	for name, pkg := range programs {
		By("building " + name)
		build := exec.Command("go", "build", "-o", filepath.Join(binaries, name), pkg)
		build.Dir = root
		build.Stdout, build.Stderr = GinkgoWriter, GinkgoWriter
		Expect(build.Run()).To(Succeed(), "could not build %s", pkg)
	}
})
