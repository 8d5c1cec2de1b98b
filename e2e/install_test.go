package e2e_test

import (
	"context"
	"maps"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/badinput"
	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

// installSpecs install again, over and away. They come last: what they leave is an installation that was put back.
func installSpecs(s *site) {
	Context("installing", Label("install"), func() {
		var namespace string
		var stored map[string]any

		BeforeAll(func(ctx context.Context) {
			namespace = s.namespace(ctx, "kept-")
			s.create(ctx, namespace, "one")
			s.create(ctx, namespace, "two")
			var err error
			stored, err = badinput.Snapshot(ctx, s.client, namespace)
			Expect(err).NotTo(HaveOccurred())
			Expect(stored).To(HaveLen(2))
		})

		same := func(ctx context.Context) {
			GinkgoHelper()
			now, err := badinput.Snapshot(ctx, s.client, namespace)
			Expect(err).NotTo(HaveOccurred())
			Expect(now).To(Equal(stored))
		}

		It("again changes nothing", func(ctx context.Context) {
			// Twice, since an earlier spec may have stopped the controller, which the first brings back.
			Expect(s.Installer.Install(ctx, s.form.Name(), "")).To(Succeed())
			before := s.lives(ctx)
			Expect(s.Installer.Install(ctx, s.form.Name(), "")).To(Succeed())
			Expect(s.lives(ctx)).To(Equal(before), "a process was started again")
			same(ctx)
		})

		It("refuses to put the other form over this one", func(ctx context.Context) {
			before := s.lives(ctx)
			err := s.Installer.Install(ctx, other(s.form).Name(), "")
			Expect(err).To(MatchError(ContainSubstring(s.form.Name() + " is installed")))
			Expect(err).To(MatchError(ContainSubstring("duet uninstall")), "it does not say what to do instead")
			Expect(s.lives(ctx)).To(Equal(before))
			Expect(s.Ready(ctx)).To(Succeed())
			same(ctx)
		})

		It("can be undone without losing an object", func(ctx context.Context) {
			result, err := s.Installer.Uninstall(ctx, false)
			Expect(err).NotTo(HaveOccurred())
			Expect(result.Form).To(Equal(s.form.Name()))
			Expect(result.Deleted).To(BeZero())
			Expect(result.Stays).NotTo(BeEmpty(), "it does not say what stays")
			Expect(slices.Sorted(maps.Keys(s.lives(ctx)))).To(Equal(slices.Sorted(slices.Values(controlplane.Components()))),
				"a process of the form is left")
			Eventually(func(g Gomega) {
				answer, err := s.client.Send(ctx, "GET", fixture.Path(fixture.V1, namespace), nil)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(answer.Code).To(Equal(404))
			}).WithContext(ctx).Should(Succeed())
			Eventually(func(g Gomega) {
				index, err := s.client.Send(ctx, "GET", "/openapi/v3", nil)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(index.Code).To(Equal(200))
				g.Expect(string(index.Body)).NotTo(ContainSubstring(install.Group), "what is not served is still described")
			}).WithContext(ctx).Should(Succeed())
		})

		It("finds the same objects when it is done again", func(ctx context.Context) {
			Expect(s.Installer.Install(ctx, s.form.Name(), s.profile)).To(Succeed())
			same(ctx)
		})
	})
}

func other(form install.Implementation) install.Implementation {
	for _, candidate := range suite.Forms {
		if candidate.Name() != form.Name() {
			return candidate
		}
	}
	return nil
}
