package e2e_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/corpus"
	contract "github.com/duet-api/duet/shared/api/mysql/corpus"
)

// corpusSpecs ask the running form about every case of the contract that its profile serves. The controller is stopped
// for it: an update says which state of the object it has seen, and must not lose to a finalizer.
func corpusSpecs(s *site) {
	Context("corpus", Label("corpus"), func() {
		var namespace string

		BeforeAll(func(ctx context.Context) {
			Expect(s.Installer.StopController(ctx)).To(Succeed())
			namespace = s.namespace(ctx, "corpus-")
		})

		judge, err := contract.LiveJudge(s.form.Name(), s.profile)
		if err != nil {
			panic(err)
		}
		cases, err := contract.Cases()
		if err != nil {
			panic(err)
		}
		for _, c := range cases {
			if c.OnlyInProcess != "" || !judge.Versions.Has(c.Version) {
				continue
			}
			It(c.Name, func(ctx context.Context) {
				verdict, err := corpus.Submit(ctx, s.client, namespace, c)
				Expect(err).NotTo(HaveOccurred())
				Expect(c.Expect(judge).Diff(verdict)).To(BeEmpty())
			})
		}
	})
}
