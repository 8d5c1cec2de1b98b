package e2e_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/badinput"
)

// badInputSpecs send what nobody should, and look at what is left of the site after each.
func badInputSpecs(s *site) {
	Context("bad input", Label("bad input"), func() {
		var namespace string
		var before map[string]any
		var lives map[string]life
		unanswered := 0

		BeforeAll(func(ctx context.Context) {
			namespace = s.namespace(ctx, "bad-input-")
			s.create(ctx, namespace, badinput.Bystander)
			var err error
			before, err = badinput.Snapshot(ctx, s.client, namespace)
			Expect(err).NotTo(HaveOccurred())
			lives = s.lives(ctx)
		})

		for _, bad := range badinput.Cases() {
			It("answers "+bad.Title, func(ctx context.Context) {
				outcome, err := bad.Send(ctx, s.client, namespace)
				Expect(err).NotTo(HaveOccurred())
				Expect(outcome.Verdict).To(Equal(bad.Want(s.form.Name())), outcome.Message)
				switch {
				case badinput.Refusal(outcome.Verdict):
					Expect(outcome.Message).NotTo(BeEmpty())
				case outcome.Verdict == badinput.NoAnswer:
					unanswered++
				}
				if outcome.Created != "" {
					s.remove(ctx, namespace, outcome.Created)
				}
				after, err := badinput.Snapshot(ctx, s.client, namespace)
				Expect(err).NotTo(HaveOccurred())
				Expect(after).To(Equal(before), "something was lost or changed")
				Expect(s.Ready(ctx)).To(Succeed())
			})
		}

		It("leaves every process as it was", func(ctx context.Context) {
			Expect(s.lives(ctx)).To(Equal(lives))
		})

		It("meets no panic but the known one of kube-apiserver", func(ctx context.Context) {
			panics := s.panics(ctx)
			if unanswered > 0 {
				Expect(panics["kube-apiserver"]).NotTo(BeEmpty(), "an answer is missing and nothing says why")
			}
			// The behaviour rows send one such request as well.
			delete(panics, "kube-apiserver")
			Expect(panics).To(BeEmpty())
		})
	})
}
