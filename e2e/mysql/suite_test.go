// Package mysql_test holds the controller to what it promises about the servers, by reading rows back over SQL: real
// servers of this machine, made from the pods of a real control plane, on both forms with the same specs.
//
// It is no part of `make test`, because a bare machine has no MySQL server: `make test-mysql` runs it, with mysqld or
// mariadbd, whichever is on PATH. The specs of a form follow one instance through its life, since starting servers is
// what takes time; each leaves it as it found it.
package mysql_test

import (
	"context"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/mysql/node"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
)

var (
	// binaries is the directory of the built programs.
	binaries string
	// program is the server that runs in the pods.
	program node.Program
)

func TestMySQL(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts() // a spec's context has no end of its own
	RunSpecs(t, "MySQL")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	program, err = node.FindProgram(ctx)
	Expect(err).NotTo(HaveOccurred())
	AddReportEntry("server", program.Version)
	binaries = suite.BuildPrograms("../..")
}, NodeTimeout(20*time.Minute))

var _ = Describe("Real servers", func() {
	for i, form := range suite.Forms {
		Context("served by "+form.Name(), Ordered, Label(form.Name()), func() {
			var site *behaviour.Site
			s := &stage{}

			BeforeAll(func(ctx context.Context) {
				site = suite.Open(ctx, form, "", binaries, controlplane.Options{})
				// Not below the test's directory, whose path is too long for sockets.
				dir, err := os.MkdirTemp("", "duet-mysql-")
				Expect(err).NotTo(HaveOccurred())
				DeferCleanup(os.RemoveAll, dir)
				n, err := node.Start(ctx, site.Config(), site.Plane.Runner(), program, dir, 1+i, GinkgoWriter)
				Expect(err).NotTo(HaveOccurred())
				DeferCleanup(n.Stop)
				s.open(ctx, site)
			}, NodeTimeout(5*time.Minute))
			JustAfterEach(func(ctx context.Context) {
				if CurrentSpecReport().Failed() {
					s.show(ctx)
					suite.ShowLogs(ctx, site)
				}
			})

			replicationSpecs(s)
			repairSpecs(s)
			accountSpecs(s)
			settingSpecs(s)
			lifeSpecs(s)
			encryptionSpecs(s)
			backupSpecs(s)
		})
	}
})
