package e2e_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/badinput"
	"github.com/duet-api/duet/e2e/fixture"
)

var _ = Describe("Bad input", func() {
	for _, form := range forms {
		Context(form.Name(), Ordered, ContinueOnFailure, Label(form.Name(), "bad input"), func() {
			var site *site
			var namespace string
			var before map[string]any
			var lives map[string]life
			unanswered := 0

			BeforeAll(func(ctx context.Context) {
				site = newSite(ctx, form, form.Profiles()[0])
				namespace = site.namespace(ctx, "bad-input-")
				_, err := site.client.Send(ctx, "POST", fixture.Path(fixture.V1, namespace), fixture.Instance(badinput.Bystander))
				Expect(err).NotTo(HaveOccurred())
				before, err = badinput.Snapshot(ctx, site.client, namespace)
				Expect(err).NotTo(HaveOccurred())
				Expect(before).To(HaveKey(badinput.Bystander))
				lives = site.lives(ctx)
			})

			for _, bad := range badinput.Cases() {
				It("answers "+bad.Title, func(ctx context.Context) {
					outcome, err := bad.Send(ctx, site.client, namespace)
					Expect(err).NotTo(HaveOccurred())
					Expect(outcome.Verdict).To(Equal(bad.Want(form.Name())), outcome.Message)
					switch {
					case badinput.Refusal(outcome.Verdict):
						Expect(outcome.Message).NotTo(BeEmpty())
					case outcome.Verdict == badinput.NoAnswer:
						unanswered++
					}
					if outcome.Created != "" {
						Expect(site.remove(ctx, namespace, outcome.Created)).To(Succeed())
					}
					after, err := badinput.Snapshot(ctx, site.client, namespace)
					Expect(err).NotTo(HaveOccurred())
					Expect(after).To(Equal(before), "something was lost or changed")
					Expect(site.ready(ctx)).To(Succeed())
				})
			}

			It("leaves every process as it was", func(ctx context.Context) {
				Expect(site.lives(ctx)).To(Equal(lives))
			})

			It("meets no panic but the known one of kube-apiserver", func(ctx context.Context) {
				panics := site.panics(ctx)
				if unanswered > 0 {
					Expect(panics["kube-apiserver"]).NotTo(BeEmpty(), "an answer is missing and nothing says why")
					delete(panics, "kube-apiserver")
				}
				Expect(panics).To(BeEmpty())
			})
		})
	}
})

// remove takes away an object that a case made, with whatever finalizers it has.
func (s *site) remove(ctx context.Context, namespace, name string) error {
	path := fixture.Path(fixture.V1, namespace, name)
	answer, err := s.client.Send(ctx, "DELETE", path, nil)
	if err != nil {
		return err
	}
	if !answer.OK() {
		return fmt.Errorf("could not delete %s: %s", name, answer.Verdict())
	}
	Eventually(func(g Gomega) {
		answer, err := s.client.Send(ctx, "GET", path, nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Code).To(Equal(404))
	}).WithContext(ctx).Should(Succeed())
	return nil
}
