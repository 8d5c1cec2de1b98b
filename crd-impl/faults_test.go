package crdimpl_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	crdimpl "github.com/duet-api/duet/crd-impl"
	"github.com/duet-api/duet/shared/process"
)

// served is the serial number of the certificate that the webhook server shows now.
func served(g Gomega, bundle []byte) string {
	port, err := env.Port(crdimpl.ServerName)
	g.Expect(err).NotTo(HaveOccurred())
	pool := x509.NewCertPool()
	g.Expect(pool.AppendCertsFromPEM(bundle)).To(BeTrue())
	connection, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &tls.Config{RootCAs: pool})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(connection.Close()).To(Succeed()) }()
	return connection.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

var _ = Describe("The webhook server", Serial, func() {
	It("shows a new certificate without a restart", func(ctx context.Context) {
		certFile, keyFile, bundle, err := env.ServingFiles(crdimpl.ServerName, "127.0.0.1")
		Expect(err).NotTo(HaveOccurred())
		before := served(Default, bundle)
		status, err := process.Find(ctx, env.Runner(), crdimpl.ServerName)
		Expect(err).NotTo(HaveOccurred())

		By("issuing another certificate into the same files")
		Expect(os.Remove(certFile)).To(Succeed())
		Expect(os.Remove(keyFile)).To(Succeed())
		_, _, _, err = env.ServingFiles(crdimpl.ServerName, "127.0.0.1")
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(g Gomega) { g.Expect(served(g, bundle)).NotTo(Equal(before)) }).Should(Succeed())

		create(ctx, newNamespace(ctx), instance("v1alpha1", "after", "{}"))
		after, err := process.Find(ctx, env.Runner(), crdimpl.ServerName)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.PID).To(Equal(status.PID))
		Expect(after.Restarts).To(Equal(status.Restarts))
	})

	Describe("when it is down", Ordered, func() {
		var namespace string

		BeforeAll(func(ctx context.Context) {
			namespace = newNamespace(ctx)
			create(ctx, namespace, instance("v1", "kept", "{}"))
			create(ctx, namespace, instance("v1", "doomed", "{}"))
			_, err := merge(ctx, "v1", namespace, "doomed", `{"metadata":{"finalizers":["example.com/hold"]}}`)
			Expect(err).NotTo(HaveOccurred())
			Expect(env.Runner().Kill(ctx, crdimpl.ServerName)).To(Succeed())
			DeferCleanup(func(ctx context.Context) {
				Expect(env.Runner().Restart(ctx, crdimpl.ServerName)).To(Succeed())
				Eventually(func(ctx context.Context) error {
					_, err := in("v1alpha1", namespace).Get(ctx, "kept", metav1.GetOptions{})
					return err
				}).WithContext(ctx).Should(Succeed())
				create(ctx, namespace, instance("v1alpha1", "again", "{}"))
			})
		})

		It("lets no unchecked object in", func(ctx context.Context) {
			_, err := in("v1", namespace).Create(ctx, instance("v1", "unchecked", "{}"), metav1.CreateOptions{})
			Expect(err).To(MatchError(apierrors.IsInternalError, "IsInternalError"))
			Expect(err).To(MatchError(ContainSubstring("validate.mysqlinstances.mysql.example.com")))
			_, err = merge(ctx, "v1", namespace, "kept", `{"spec":{"replicas":2}}`)
			Expect(err).To(MatchError(apierrors.IsInternalError, "IsInternalError"))
		})

		It("is not asked about labels, and status", func(ctx context.Context) {
			_, err := merge(ctx, "v1", namespace, "kept", `{"metadata":{"labels":{"a":"b"}}}`)
			Expect(err).NotTo(HaveOccurred())
			_, err = merge(ctx, "v1", namespace, "kept", `{"status":{"replicas":1,"readyReplicas":1}}`, "status")
			Expect(err).NotTo(HaveOccurred())
		})

		It("is missed in v1alpha1, and not in v1", func(ctx context.Context) {
			_, err := in("v1", namespace).List(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred())
			// What was converted before is still in the watch cache of v1alpha1; the first change ends that.
			_, err = merge(ctx, "v1", namespace, "kept", `{"metadata":{"labels":{"c":"d"}}}`)
			Expect(err).NotTo(HaveOccurred())
			Eventually(func(ctx context.Context) error {
				_, err := in("v1alpha1", namespace).List(ctx, metav1.ListOptions{})
				return err
			}).WithContext(ctx).Should(MatchError(ContainSubstring("conversion webhook for")))
		})

		It("does not hold up a deletion", func(ctx context.Context) {
			Expect(in("v1", namespace).Delete(ctx, "doomed", metav1.DeleteOptions{})).To(Succeed())
			_, err := merge(ctx, "v1", namespace, "doomed", `{"metadata":{"finalizers":null}}`)
			Expect(err).NotTo(HaveOccurred())
			Eventually(func(ctx context.Context) error {
				_, err := in("v1", namespace).Get(ctx, "doomed", metav1.GetOptions{})
				return err
			}).WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
		})
	})
})
