package controlplane_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gopsutil "github.com/shirou/gopsutil/v4/net"
	clientv3 "go.etcd.io/etcd/client/v3"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// shortTimeout is how long a request to a paused server waits in vain.
const shortTimeout = time.Second

var _ = Describe("A control plane", Ordered, func() {
	var (
		plane *controlplane.ControlPlane
		admin kubernetes.Interface
	)

	BeforeAll(func(ctx context.Context) {
		plane = start(ctx, GinkgoT().TempDir())
		admin = adminOf(plane)
	})

	It("has an administrator with all rights that RBAC gave", func(ctx context.Context) {
		review, err := admin.AuthenticationV1().SelfSubjectReviews().
			Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(review.Status.UserInfo.Username).To(Equal(controlplane.AdministratorUser))
		Expect(review.Status.UserInfo.Groups).To(ConsistOf(controlplane.AdministratorsGroup, "system:authenticated"))

		_, err = admin.CoreV1().Secrets(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())

		By("losing the rights with the binding, as nobody in system:masters would")
		bindings := admin.RbacV1().ClusterRoleBindings()
		binding, err := bindings.Get(ctx, controlplane.AdministratorsGroup, metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(bindings.Delete(ctx, binding.Name, metav1.DeleteOptions{})).To(Succeed())
		Eventually(func(ctx context.Context) error {
			_, err := admin.CoreV1().Secrets(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
			return err
		}).WithContext(ctx).Should(MatchError(apierrors.IsForbidden, "IsForbidden"))
		masters := clientFor(plane.UserConfig("restorer", "system:masters"))
		binding.ResourceVersion = ""
		_, err = masters.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(ctx context.Context) error {
			_, err := admin.CoreV1().Secrets(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
			return err
		}).WithContext(ctx).Should(Succeed())
	})

	It("keeps the administrator's kubeconfig and the keys to its owner", func() {
		Expect(plane.AdminKubeconfig()).To(BeARegularFile())
		keys, err := filepath.Glob(filepath.Join(plane.PKIDir(), "*.key"))
		Expect(err).NotTo(HaveOccurred())
		Expect(keys).To(HaveLen(12))
		for _, path := range append(keys, plane.AdminKubeconfig()) {
			info, err := os.Stat(path)
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)), path)
		}
		info, err := os.Stat(plane.Dir())
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o700)))
	})

	It("gives a user no rights by itself", func(ctx context.Context) {
		user := clientFor(plane.UserConfig("nobody-in-particular", "some-group"))
		_, err := user.CoreV1().ConfigMaps(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{})
		Expect(err).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
		Expect(err).To(MatchError(ContainSubstring(`User "nobody-in-particular" cannot list`)))
	})

	DescribeTable("refuses who is not known",
		func(ctx context.Context, config func() *rest.Config, refusal func(error) bool) {
			_, err := clientFor(config(), nil).CoreV1().Secrets(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{})
			Expect(err).To(MatchError(refusal, "the expected refusal"))
		},
		Entry("nobody: may do nothing", func() *rest.Config {
			config, err := plane.AdminConfig()
			Expect(err).NotTo(HaveOccurred())
			return rest.AnonymousClientConfig(config)
		}, apierrors.IsForbidden),
		Entry("a certificate of another authority with the same name", func() *rest.Config {
			ca, err := certs.NewCA(controlplane.ClientCA)
			Expect(err).NotTo(HaveOccurred())
			return withCertificate(plane, ca, "duet-admin", "system:masters")
		}, apierrors.IsUnauthorized),
		Entry("a certificate of the front proxy's authority, as a user", func() *rest.Config {
			ca, err := certs.LoadCA(plane.PKIDir(), controlplane.FrontProxyCA)
			Expect(err).NotTo(HaveOccurred())
			return withCertificate(plane, ca, "duet-admin", "system:masters")
		}, apierrors.IsUnauthorized),
	)

	It("believes X-Remote-User from its front proxy only", func(ctx context.Context) {
		asAdmin := func(config *rest.Config) error {
			config.WrapTransport = withHeaders(map[string]string{"X-Remote-User": "jane", "X-Remote-Group": "system:masters"})
			_, err := clientFor(config, nil).CoreV1().Secrets(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{})
			return err
		}
		user, err := plane.UserConfig(controlplane.FrontProxyClient)
		Expect(err).NotTo(HaveOccurred())
		Expect(asAdmin(user)).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "the right name of the wrong authority")

		ca, err := certs.LoadCA(plane.PKIDir(), controlplane.FrontProxyCA)
		Expect(err).NotTo(HaveOccurred())
		Expect(asAdmin(withCertificate(plane, ca, "another-name"))).
			To(MatchError(apierrors.IsUnauthorized, "IsUnauthorized"), "the wrong name of the right authority")
		Expect(asAdmin(withCertificate(plane, ca, controlplane.FrontProxyClient))).To(Succeed(), "the front proxy itself")
	})

	It("tells aggregated servers how to recognise its front proxy", func(ctx context.Context) {
		published, err := admin.CoreV1().ConfigMaps(metav1.NamespaceSystem).
			Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		frontProxy, err := os.ReadFile(filepath.Join(plane.PKIDir(), controlplane.FrontProxyCA+".crt"))
		Expect(err).NotTo(HaveOccurred())
		clients, err := os.ReadFile(filepath.Join(plane.PKIDir(), controlplane.ClientCA+".crt"))
		Expect(err).NotTo(HaveOccurred())
		Expect(published.Data).To(And(
			HaveKeyWithValue("requestheader-client-ca-file", string(frontProxy)),
			HaveKeyWithValue("client-ca-file", string(clients)),
			HaveKeyWithValue("requestheader-allowed-names", `["front-proxy-client"]`),
			HaveKeyWithValue("requestheader-username-headers", `["X-Remote-User"]`),
			HaveKeyWithValue("requestheader-group-headers", `["X-Remote-Group"]`),
			HaveKeyWithValue("requestheader-extra-headers-prefix", `["X-Remote-Extra-"]`),
		))
		Expect(string(frontProxy)).NotTo(Equal(string(clients)))
	})

	It("has real controllers: what is in a deleted namespace goes, and so does what an owner leaves", func(ctx context.Context) {
		namespaces, maps := admin.CoreV1().Namespaces(), admin.CoreV1().ConfigMaps("doomed")
		_, err := namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "doomed"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		owner, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		controller := *metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owned", OwnerReferences: []metav1.OwnerReference{controller}}}
		_, err = maps.Create(ctx, owned, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())

		Expect(maps.Delete(ctx, "owner", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func(ctx context.Context) error {
			_, err := maps.Get(ctx, "owned", metav1.GetOptions{})
			return err
		}).WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))

		Expect(namespaces.Delete(ctx, "doomed", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func(ctx context.Context) error {
			_, err := namespaces.Get(ctx, "doomed", metav1.GetOptions{})
			return err
		}).WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
	})

	It("gives service accounts tokens that its server knows", func(ctx context.Context) {
		token, err := admin.CoreV1().ServiceAccounts(metav1.NamespaceDefault).
			CreateToken(ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		config, err := plane.AdminConfig()
		Expect(err).NotTo(HaveOccurred())
		config = rest.AnonymousClientConfig(config)
		config.BearerToken = token.Status.Token
		review, err := clientFor(config, nil).AuthenticationV1().SelfSubjectReviews().
			Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(review.Status.UserInfo.Username).To(Equal("system:serviceaccount:default:default"))
	})

	It("lets into etcd only who has a certificate for it", func() {
		etcd := plane.Etcd()
		address, err := url.Parse(etcd.URL)
		Expect(err).NotTo(HaveOccurred())
		pool := x509.NewCertPool()
		bundle, err := os.ReadFile(etcd.CAFile)
		Expect(err).NotTo(HaveOccurred())
		Expect(pool.AppendCertsFromPEM(bundle)).To(BeTrue())
		connect := func(certificates ...tls.Certificate) error {
			conn, err := tls.Dial("tcp", address.Host, &tls.Config{RootCAs: pool, Certificates: certificates, NextProtos: []string{"h2"}})
			if err != nil {
				return err
			}
			defer conn.Close()
			// With TLS 1.3 the server's refusal comes after the client's handshake. HTTP/2 lets the server speak first.
			_, err = conn.Read(make([]byte, 1))
			return err
		}
		good, err := tls.LoadX509KeyPair(etcd.CertFile, etcd.KeyFile)
		Expect(err).NotTo(HaveOccurred())
		Expect(connect(good)).To(Succeed())
		Expect(connect()).To(MatchError(ContainSubstring("certificate required")))

		clientCA, err := certs.LoadCA(plane.PKIDir(), controlplane.ClientCA)
		Expect(err).NotTo(HaveOccurred())
		certPEM, keyPEM, err := clientCA.IssueClient("jane", "system:masters")
		Expect(err).NotTo(HaveOccurred())
		user, err := tls.X509KeyPair(certPEM, keyPEM)
		Expect(err).NotTo(HaveOccurred())
		Expect(connect(user)).NotTo(Succeed())
	})

	It("compacts etcd, whose database gives back what was deleted", func(ctx context.Context) {
		client, err := plane.Etcd().Client()
		Expect(err).NotTo(HaveOccurred())
		defer client.Close()
		inUse := func() int64 {
			GinkgoHelper()
			Expect(plane.Etcd().Compact(ctx)).To(Succeed())
			status, err := client.Status(ctx, plane.Etcd().URL)
			Expect(err).NotTo(HaveOccurred())
			return status.DbSizeInUse
		}
		const prefix, size, count = "/compacted/", 4 << 10, 1000
		before := inUse()
		for i := range count {
			_, err := client.Put(ctx, prefix+strconv.Itoa(i), strings.Repeat("x", size))
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(inUse()).To(BeNumerically(">", before+count*size))
		_, err = client.Delete(ctx, prefix, clientv3.WithPrefix())
		Expect(err).NotTo(HaveOccurred())
		Expect(inUse()).To(BeNumerically("~", before, count*size/10))
	})

	It("listens on the loopback address only", func(ctx context.Context) {
		for name, pid := range pids(ctx, plane.Runner()) {
			Expect(listening(ctx, pid)).To(And(Not(BeEmpty()), HaveEach("127.0.0.1")), name)
		}
	})

	It("logs who did what, and no bodies", func(ctx context.Context) {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "audited"}, StringData: map[string]string{"password": "xyzzy-in-the-clear"}}
		_, err := admin.CoreV1().Secrets(metav1.NamespaceDefault).Create(ctx, secret, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		var log []byte
		Eventually(func() (string, error) {
			log, err = os.ReadFile(filepath.Join(plane.Dir(), "logs", "audit.log"))
			return string(log), err
		}).Should(ContainSubstring(`/api/v1/namespaces/default/secrets`))
		Expect(string(log)).To(And(ContainSubstring(`"level":"Metadata"`), Not(ContainSubstring("xyzzy-in-the-clear"))))
	})

	It("refuses a second supervisor for its directory", func(ctx context.Context) {
		_, err := controlplane.Start(ctx, controlplane.Options{Dir: plane.Dir(), Out: GinkgoWriter})
		Expect(err).To(BeAssignableToTypeOf(&process.AlreadySupervisedError{}))
	})

	It("is left alone by a Start that finds it running", func(ctx context.Context) {
		before := pids(ctx, plane.Runner())
		again, err := controlplane.Start(ctx, controlplane.Options{
			Name: "test", Dir: plane.Dir(), Out: GinkgoWriter, Runner: plane.Runner()})
		Expect(err).NotTo(HaveOccurred())
		Expect(pids(ctx, again.Runner())).To(Equal(before))
		Expect(again.URL()).To(Equal(plane.URL()))
	})

	It("survives the loss of each of its components, with its data", func(ctx context.Context) {
		maps := admin.CoreV1().ConfigMaps(metav1.NamespaceDefault)
		kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}, Data: map[string]string{"a": "b"}}
		_, err := maps.Create(ctx, kept, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		for _, name := range controlplane.Components() {
			By("killing and restarting " + name)
			before := pids(ctx, plane.Runner())
			Expect(plane.Runner().Kill(ctx, name)).To(Succeed())
			status, err := process.Find(ctx, plane.Runner(), name)
			Expect(err).NotTo(HaveOccurred())
			Expect(status.State).To(Equal(process.Exited))
			Expect(plane.Runner().Restart(ctx, name)).To(Succeed())
			after := pids(ctx, plane.Runner())
			Expect(after[name]).NotTo(Equal(before[name]))
			delete(before, name)
			for other, pid := range before {
				Expect(after).To(HaveKeyWithValue(other, pid))
			}
			Eventually(func(ctx context.Context) (map[string]string, error) {
				kept, err := maps.Get(ctx, "kept", metav1.GetOptions{})
				if err != nil {
					return nil, err
				}
				return kept.Data, nil
			}).WithContext(ctx).Should(HaveKeyWithValue("a", "b"))

			// Which takes all three of them.
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "after-the-loss-of-" + name}}
			_, err = admin.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
			Eventually(func(ctx context.Context) error {
				_, err := admin.CoreV1().ServiceAccounts(namespace.Name).Get(ctx, "default", metav1.GetOptions{})
				return err
			}).WithContext(ctx).Should(Succeed())
		}
	})

	It("answers nothing while its server is paused, and goes on when it is resumed", func(ctx context.Context) {
		Expect(plane.Runner().Pause(ctx, controlplane.APIServer)).To(Succeed())
		config, err := plane.AdminConfig()
		Expect(err).NotTo(HaveOccurred())
		config.Timeout = shortTimeout
		_, err = clientFor(config, nil).CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		Expect(err).To(Satisfy(isTimeout), "got %v", err)
		Expect(plane.Runner().Resume(ctx, controlplane.APIServer)).To(Succeed())
		Eventually(func(ctx context.Context) error {
			_, err := admin.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
			return err
		}).WithContext(ctx).Should(Succeed())
	})
})

// withCertificate is for a client with a certificate of any authority.
func withCertificate(plane *controlplane.ControlPlane, ca *certs.CA, user string, groups ...string) *rest.Config {
	GinkgoHelper()
	config, err := plane.AdminConfig()
	Expect(err).NotTo(HaveOccurred())
	config = rest.AnonymousClientConfig(config)
	config.CertData, config.KeyData, err = ca.IssueClient(user, groups...)
	Expect(err).NotTo(HaveOccurred())
	return config
}

// listening are the addresses that a process listens on.
func listening(ctx context.Context, pid int) []string {
	GinkgoHelper()
	connections, err := gopsutil.ConnectionsPidWithContext(ctx, "inet", int32(pid))
	Expect(err).NotTo(HaveOccurred())
	var addresses []string
	for _, c := range connections {
		if c.Status == "LISTEN" {
			addresses = append(addresses, c.Laddr.IP)
		}
	}
	return addresses
}

// withHeaders adds headers to each request.
func withHeaders(headers map[string]string) transport.WrapperFunc {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			request = request.Clone(request.Context())
			for name, value := range headers {
				request.Header.Set(name, value)
			}
			return next.RoundTrip(request)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
