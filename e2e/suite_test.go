// Package e2e_test holds both forms to the behaviour rows, the corpus and the bad-input table, and the installer to its
// promises.
//
// Each form and profile gets a control plane of its own, so that nothing one of them leaves behind can help or hurt
// another. What is asked of one is asked there in turn, since starting a control plane costs more than asking.
// The programs are built once; kube-apiserver and etcd come from KUBEBUILDER_ASSETS, or from Duet's cache.
package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	crdimpl "github.com/duet-api/duet/crd-impl"
	"github.com/duet-api/duet/e2e/behaviour"
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
	EnforceDefaultTimeoutsWhenUsingContexts() // a spec's context has no end of its own
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

var _ = Describe("Duet", func() {
	for _, form := range forms {
		for i, profile := range form.Profiles() {
			Context(form.Name()+" "+profile, Ordered, ContinueOnFailure, Label(form.Name(), profile), func() {
				site := &site{form: form, profile: profile}

				BeforeAll(func(ctx context.Context) { site.open(ctx) })
				JustAfterEach(func(ctx context.Context) {
					if CurrentSpecReport().Failed() {
						site.showLogs(ctx)
					}
				})

				if i == 0 {
					behaviourSpecs(site, behaviour.Rows())
					badInputSpecs(site)
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
