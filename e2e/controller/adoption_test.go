package controller_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller/config"
)

// adoptionSpecs are about a controller that finds what another one has made.
func adoptionSpecs(open func(context.Context) *stage) {
	It("is adopted by another controller without a write", func(ctx context.Context) {
		s := open(ctx)
		s.create(ctx, replicas(2), nightly("1Gi"), windowClosed)
		s.awaitReady(ctx)
		pods := s.world(ctx, Default).Pods
		before := s.versions(ctx)
		Expect(s.site.Plane.Runner().Kill(ctx, config.Name)).To(Succeed())
		Expect(s.site.Plane.Runner().Restart(ctx, config.Name)).To(Succeed())

		var instances v1.MySQLInstanceList
		Expect(s.List(ctx, &instances)).To(Succeed())
		Eventually(func(g Gomega) {
			metrics := s.metrics(g)
			g.Expect(metrics["controller_runtime_reconcile_total"]).To(BeNumerically(">=", len(instances.Items)))
			g.Expect(metrics["workqueue_depth"]).To(BeZero())
			g.Expect(metrics["controller_runtime_active_workers"]).To(BeZero())
		}).WithContext(ctx).Should(Succeed())
		Expect(s.versions(ctx)).To(Equal(before))
		Expect(s.world(ctx, Default).Pods).To(Equal(pods))
	})
}

// versions of the children and of the instance itself: any write changes one.
func (s *stage) versions(ctx context.Context) map[string]string {
	GinkgoHelper()
	versions, err := s.children(ctx)
	Expect(err).NotTo(HaveOccurred())
	instance, err := s.instance(ctx)
	Expect(err).NotTo(HaveOccurred())
	versions["instance"] = instance.ResourceVersion
	return versions
}

// metrics of the controller, each as the sum of its series.
func (s *stage) metrics(g Gomega) map[string]float64 {
	port, err := s.site.Installer.Env.Port(config.Name + "-metrics")
	g.Expect(err).NotTo(HaveOccurred())
	response, err := http.Get(fmt.Sprintf("http://%s/metrics", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))))
	g.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	g.Expect(err).NotTo(HaveOccurred())
	sums := map[string]float64{}
	for name, family := range families {
		for _, metric := range family.Metric {
			sums[name] += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return sums
}
