package switching_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/duet-api/duet/e2e/consistency"
	"github.com/duet-api/duet/e2e/fixture"
)

// standstill is how long a client may be without success. It is no measure of speed, but of whether a window ends.
const standstill = 2 * time.Minute

// strict tolerates nothing.
var strict = consistency.Options{
	Reads: consistency.Allowance{Longest: standstill}, Writes: consistency.Allowance{Longest: standstill}, NobodyElseDeletes: true,
}

// settleTimeout is how long the watches have to tell what is left, when the load has ended, and then the oracle.
const settleTimeout = time.Minute

// finish ends the load, lets everybody hear the last of it, and judges. A verdict that is not clean fails the spec.
func (l *load) finish(ctx context.Context, options consistency.Options) *consistency.Verdict {
	GinkgoHelper()
	By("ending the load")
	l.stopWorking()
	l.working.Wait()
	last := l.sentinel(ctx)
	settling, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	Expect(l.recorder.Settle(settling, l.store, last)).To(Succeed(), l.recorder.Behind(last))
	for informer, scope := range l.informers {
		Eventually(informer.Cached).WithContext(ctx).WithPolling(time.Second).
			Should(WithTransform(func(cached map[consistency.Object]int64) []string {
				return differing(cached, l.recorder.Newest(scope))
			}, BeEmpty()), "an informer does not have what is stored")
	}
	l.stopWatching()
	l.watching.Wait()
	catching, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	Expect(l.recorder.CatchUp(catching, l.store)).To(Succeed())

	By("judging")
	began := time.Now()
	l.history = l.recorder.History()
	verdict := consistency.Check(l.history, options)
	AddReportEntry("verdict", fmt.Sprintf("%s(%.0f requests a second; judged in %s)", verdict.Text(),
		float64(verdict.Counts.Requests)/began.Sub(l.began).Seconds(), time.Since(began).Round(time.Millisecond)))
	l.keep(verdict)
	Expect(verdict.Clean()).To(BeTrue(), verdict.Text())
	Expect(verdict.Counts.Watches).To(Equal(*watches))
	Expect(verdict.Counts.Acknowledged).To(BeNumerically(">", *objects), "the load was none")
	Expect(verdict.Counts.Foreign).To(BeNumerically(">", 0), "the controller was not at work")
	l.same(ctx)
	return verdict
}

// sentinel is the revision of a write after all others.
func (l *load) sentinel(ctx context.Context) int64 {
	GinkgoHelper()
	client := l.client("sentinel", fixture.V1)
	var revision int64
	Eventually(func(ctx context.Context) (int, error) {
		answer, err := client.Patch(ctx, l.objects[0], map[string]any{})
		if err != nil || !answer.OK() {
			return 0, err
		}
		state, err := l.reader.Parse(answer.Body)
		revision = state.Revision
		return answer.Code, err
	}).WithContext(ctx).Should(Equal(200))
	return revision
}

// differing names the objects whose resourceVersions are not the same in two collections.
func differing(a, b map[consistency.Object]int64) []string {
	var names []string
	for _, pair := range [][2]map[consistency.Object]int64{{a, b}, {b, a}} {
		for object, revision := range pair[0] {
			if pair[1][object] != revision {
				names = append(names, fmt.Sprintf("%s: %d, %d", object, revision, pair[1][object]))
			}
		}
	}
	slices.Sort(names)
	return names
}

// keep writes the history and the verdict to files, for who wants to look closer.
func (l *load) keep(verdict *consistency.Verdict) {
	GinkgoHelper()
	if *record == "" {
		return
	}
	Expect(os.MkdirAll(*record, 0o755)).To(Succeed())
	name := strings.ReplaceAll(CurrentSpecReport().FullText(), " ", "-")
	for suffix, content := range map[string]any{"history": l.history, "verdict": verdict} {
		encoded, err := json.MarshalIndent(content, "", " ")
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(filepath.Join(*record, name+"-"+suffix+".json"), encoded, 0o644)).To(Succeed())
	}
}
