package e2e_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/badinput"
	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/shared/install"
)

var _ = Describe("Installing", func() {
	for _, form := range forms {
		Context(form.Name(), Ordered, Label(form.Name(), "install"), func() {
			var site *site
			var namespace string
			var stored map[string]any

			BeforeAll(func(ctx context.Context) {
				site = newSite(ctx, form, form.Profiles()[0])
				namespace = site.namespace(ctx, "kept-")
				for _, name := range []string{"one", "two"} {
					answer, err := site.client.Send(ctx, "POST", fixture.Path(fixture.V1, namespace), fixture.Instance(name))
					Expect(err).NotTo(HaveOccurred())
					Expect(answer.Verdict()).To(Equal("201"))
				}
				var err error
				stored, err = badinput.Snapshot(ctx, site.client, namespace)
				Expect(err).NotTo(HaveOccurred())
				Expect(stored).To(HaveLen(2))
			})

			same := func(ctx context.Context) {
				GinkgoHelper()
				now, err := badinput.Snapshot(ctx, site.client, namespace)
				Expect(err).NotTo(HaveOccurred())
				Expect(now).To(Equal(stored))
			}

			It("again changes nothing", func(ctx context.Context) {
				before := site.lives(ctx)
				Expect(site.installer.Install(ctx, form.Name(), "")).To(Succeed())
				Expect(site.lives(ctx)).To(Equal(before), "a process was started again")
				same(ctx)
			})

			It("refuses to put the other form over this one", func(ctx context.Context) {
				before := site.lives(ctx)
				err := site.installer.Install(ctx, other(form).Name(), "")
				Expect(err).To(MatchError(ContainSubstring(form.Name() + " is installed")))
				Expect(err).To(MatchError(ContainSubstring("duet switch")), "it does not say what to do instead")
				Expect(site.lives(ctx)).To(Equal(before))
				Expect(site.ready(ctx)).To(Succeed())
				same(ctx)
			})

			It("can be undone without losing an object", func(ctx context.Context) {
				result, err := site.installer.Uninstall(ctx, false)
				Expect(err).NotTo(HaveOccurred())
				Expect(result.Form).To(Equal(form.Name()))
				Expect(result.Deleted).To(BeZero())
				Expect(result.Stays).NotTo(BeEmpty(), "it does not say what stays")
				Expect(site.lives(ctx)).To(HaveLen(3), "a process of the form is left")
				Eventually(func(g Gomega) {
					answer, err := site.client.Send(ctx, "GET", fixture.Path(fixture.V1, namespace), nil)
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(answer.Code).To(Equal(404))
				}).WithContext(ctx).Should(Succeed())
			})

			It("finds the same objects when it is done again", func(ctx context.Context) {
				Expect(site.installer.Install(ctx, form.Name(), "")).To(Succeed())
				same(ctx)
			})
		})
	}
})

func other(form install.Implementation) install.Implementation {
	for _, candidate := range forms {
		if candidate.Name() != form.Name() {
			return candidate
		}
	}
	return nil
}
