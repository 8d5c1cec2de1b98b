package switching_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/switching"
)

// copyVictims are those of a switch that copies: the aggregated form has an etcd of its own.
var copyVictims = []string{duet, controlplane.Etcd, "duet-etcd", controlplane.APIServer, "duet-apiserver"}

// A switch that copies does much in a step, and nothing of it at once. No load is needed to see whether a run that goes on
// finds what the one before it has left: every object and every child is looked at. That also lets each etcd be killed: the
// oracle of a load could not go on from what the switch has compacted meanwhile.
var _ = Describe("A switch that copies, with kill -9 and nobody else at work", Label("still-faults"), func() {
	if !*full {
		return
	}
	for _, strategy := range []switching.Strategy{switching.Dedicated, switching.API} {
		Context("of strategy "+string(strategy), Ordered, Label(string(strategy)+"-still-faults"), func() {
			place := openSupervised(compacting())
			there := &population{}
			moves := 0
			if strategy == switching.API {
				moves = 1
			}

			for _, victim := range copyVictims {
				It("of "+victim+" in each step comes to its end, there and back", Label(victim), SpecTimeout(patience),
					func(ctx context.Context) {
						load := settle(ctx, *place, there)
						inEachStep(victim, func(step switching.Step, to string) (bool, string) {
							before := load.held(ctx)
							killed, outcome := load.switchWithout(ctx, victim, step, switching.Options{To: to, Strategy: strategy})
							load.awaitServing(ctx)
							load.expectMoved(ctx, before, moves)
							return killed, outcome
						})
					})
			}
		})
	}
})

// The other way on is back.
var _ = Describe("A switch of strategy api, with kill -9 of duet", Ordered, Label("still-faults", "api-still-faults"), func() {
	if !*full {
		return
	}
	place := openSupervised(compacting())
	there := &population{}

	It("in each step can be taken back", SpecTimeout(patience), func(ctx context.Context) {
		load := settle(ctx, *place, there)
		for _, step := range chosen() {
			before := load.held(ctx)
			load.killDuet(ctx, step, switching.Options{To: install.Aggregated, Strategy: switching.API})
			state, err := load.site.Installer.ReadSwitch(ctx)
			Expect(err).NotTo(HaveOccurred())
			if state == nil || state.Phase != install.Switching && state.To.Form != install.Aggregated {
				load.expectMoved(ctx, before, 0) // Nothing had begun.
				continue
			}
			result := load.goesOn(ctx, switching.Options{Rollback: true})
			moves := 0
			if result.Moved != nil && result.From == install.Aggregated {
				moves = 2
			}
			load.expectMoved(ctx, before, moves)
			status, err := load.site.Installer.Status(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(status.Form).To(Equal(install.CRD))
		}
	})
})

// awaitServing waits until the API is there again, after a process that it needs was killed.
func (l *load) awaitServing(ctx context.Context) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) error {
		return install.Serves(ctx, l.config(), l.site.Form.Versions(l.site.Profile)...)
	}).WithContext(ctx).WithTimeout(settling).Should(Succeed())
}

// goesOn runs until a run comes to its end.
func (l *load) goesOn(ctx context.Context, options switching.Options) *switching.Result {
	GinkgoHelper()
	var result *switching.Result
	Eventually(func(ctx context.Context) (err error) {
		result, err = l.switcher().Run(ctx, options)
		l.learn(result)
		return err
	}).WithContext(ctx).WithTimeout(settling).WithPolling(time.Second).Should(Succeed())
	return result
}

// held are the objects that are there all the time.
func (l *load) held(ctx context.Context) map[string]unstructured.Unstructured {
	GinkgoHelper()
	found := l.identities(ctx)
	Expect(found).To(HaveLen(len(l.objects)))
	return found
}

// expectMoved makes sure that every object was made anew so many times, 0 or once or twice, is as it was otherwise, and
// has its children.
func (l *load) expectMoved(ctx context.Context, before map[string]unstructured.Unstructured, moves int) {
	GinkgoHelper()
	var wrong []string
	for key, now := range l.held(ctx) {
		was := before[key]
		same := now.GetUID() == was.GetUID()
		origin := now.GetAnnotations()[v1.AnnotationPreviousUID]
		switch {
		case same != (moves == 0):
			wrong = append(wrong, fmt.Sprintf("%s had UID %s, and has %s", key, was.GetUID(), now.GetUID()))
		case moves == 1 && origin != string(was.GetUID()):
			wrong = append(wrong, fmt.Sprintf("%s had UID %s, and says that it had %s", key, was.GetUID(), origin))
		}
		for _, field := range [][]string{
			{"spec"}, {"metadata", "labels"}, {"metadata", "finalizers"}, {"metadata", "ownerReferences"},
		} {
			wanted, _, _ := unstructured.NestedFieldCopy(was.Object, field...)
			got, _, _ := unstructured.NestedFieldCopy(now.Object, field...)
			Expect(got).To(Equal(wanted), "%s of %s", strings.Join(field, "."), key)
		}
		managers := func(of unstructured.Unstructured) (names []string) {
			for _, entry := range of.GetManagedFields() {
				names = append(names, entry.Manager+" "+entry.Subresource)
			}
			return names
		}
		Expect(managers(now)).To(ContainElements(managers(was)), "the managers of the fields of %s", key)
	}
	Expect(wrong).To(BeEmpty())
	l.namesOnly = true
	Expect(l.children(ctx)).To(Equal(l.withoutUIDs()))
	Eventually(func(ctx context.Context) []string { return l.abandoned(ctx) }).WithContext(ctx).
		WithTimeout(collecting).Should(BeEmpty(), "a child has an owner that is not there")
	Eventually(l.unobserved).WithContext(ctx).WithTimeout(settling).Should(BeZero())
}

// withoutUIDs are the children as they were, by the names of their owners.
func (l *load) withoutUIDs() map[string]identity {
	known := map[string]identity{}
	for key, child := range l.before {
		child.Owner, _, _ = strings.Cut(child.Owner, " ")
		known[key] = child
	}
	return known
}
