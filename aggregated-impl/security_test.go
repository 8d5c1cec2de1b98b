package aggregatedimpl_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	"github.com/duet-api/duet/aggregated-impl/config"
	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// list is a request that needs a right.
const list = "/apis/mysql.example.com/v1/mysqlinstances"

// caller talks to the server's own port, past kube-apiserver.
type caller struct {
	certificate *tls.Certificate
	header      http.Header
	port        int // another server's than the installed one's
}

// identified is a caller with a client certificate.
func identified(ca *certs.CA, user string, groups ...string) caller {
	GinkgoHelper()
	certPEM, keyPEM, err := ca.IssueClient(user, groups...)
	Expect(err).NotTo(HaveOccurred())
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	Expect(err).NotTo(HaveOccurred())
	return caller{certificate: &certificate}
}

func (c caller) with(header, value string) caller {
	c.header = c.header.Clone()
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Add(header, value)
	return c
}

// endpoint is the server's own address, and how kube-apiserver verifies it: the name of the Service must be in the
// certificate, and the bundle of the APIService must sign it.
func endpoint() (string, *tls.Config) {
	GinkgoHelper()
	port, err := env.Port(aggregatedimpl.ServerName)
	Expect(err).NotTo(HaveOccurred())
	host := config.Service + "." + install.Namespace + ".svc"
	_, _, bundle, err := env.ServingFiles(aggregatedimpl.ServerName, host, "localhost", "127.0.0.1")
	Expect(err).NotTo(HaveOccurred())
	trusted := x509.NewCertPool()
	Expect(trusted.AppendCertsFromPEM(bundle)).To(BeTrue())
	return fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{RootCAs: trusted, ServerName: host}
}

// do sends a request to the server's port and returns the status and the body.
func (c caller) do(ctx context.Context, method, path, body string) (int, string) {
	GinkgoHelper()
	status, answer, err := c.try(ctx, method, path, body)
	Expect(err).NotTo(HaveOccurred())
	return status, answer
}

// reach is an error as long as a path does not answer 200.
func (c caller) reach(ctx context.Context, path string) error {
	status, answer, err := c.try(ctx, http.MethodGet, path, "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %s", path, status, answer)
	}
	return err
}

func (c caller) try(ctx context.Context, method, path, body string) (int, string, error) {
	GinkgoHelper()
	address, settings := endpoint()
	if c.port != 0 {
		address = fmt.Sprintf("127.0.0.1:%d", c.port)
	}
	if c.certificate != nil {
		// Send it whatever issuers the server asks for.
		settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return c.certificate, nil
		}
	}
	transport := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+address+path, strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	if c.header != nil {
		request.Header = c.header.Clone()
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

func (c caller) get(ctx context.Context, path string) (int, string) {
	GinkgoHelper()
	return c.do(ctx, http.MethodGet, path, "")
}

// authority loads one of the control plane's certificate authorities.
func authority(name string) *certs.CA {
	GinkgoHelper()
	ca, err := certs.LoadCA(plane.PKIDir(), name)
	Expect(err).NotTo(HaveOccurred())
	return ca
}

var _ = Describe("The server's own port", func() {
	nobody := caller{}

	It("shows health and version to those without credentials, and nothing else", func(ctx context.Context) {
		for _, path := range []string{"/healthz", "/livez", "/readyz", "/version"} {
			status, body := nobody.get(ctx, path)
			Expect(status).To(Equal(http.StatusOK), "%s: %s", path, body)
		}
		for _, path := range []string{
			"/", "/api", "/apis", "/apis/mysql.example.com", "/apis/mysql.example.com/v1", list, list + "?watch=1",
			"/apis/mysql.example.com/v1alpha1/mysqlinstances",
			"/apis/mysql.example.com/v1/namespaces/default/mysqlinstances/db",
			"/openapi/v2", "/openapi/v3", "/metrics", "/metrics/slis", "/debug/pprof/", "/debug/pprof/heap",
			"/debug/api_priority_and_fairness/dump_requests", "/debug/flags/v", "/healthz/etcd", "/readyz/etcd",
			"/statusz", "/flagz", "/.well-known/openid-configuration", "/nothing",
		} {
			status, body := nobody.get(ctx, path)
			Expect(status).To(Equal(http.StatusForbidden), "%s: %s", path, body)
			Expect(body).To(ContainSubstring("system:anonymous"), path)
		}
		status, body := nobody.do(ctx, http.MethodPost, "/apis/mysql.example.com/v1/namespaces/default/mysqlinstances", "{}")
		Expect(status).To(Equal(http.StatusForbidden), body)
	})

	It("believes X-Remote-User from the front proxy only", func(ctx context.Context) {
		const mastersHeader = "system:masters"
		spoof := func(c caller) caller {
			return c.with("X-Remote-User", "spoofed").with("X-Remote-Group", mastersHeader)
		}
		By("the front proxy itself, which must be believed, or the rest would prove nothing")
		status, body := spoof(identified(authority(controlplane.FrontProxyCA), controlplane.FrontProxyClient)).get(ctx, list)
		Expect(status).To(Equal(http.StatusOK), body)

		By("no certificate: the headers do not count")
		status, body = spoof(nobody).get(ctx, list)
		Expect(status).To(Equal(http.StatusForbidden), body)
		Expect(body).To(ContainSubstring("system:anonymous"))

		By("the right name, of the CA for ordinary clients: an ordinary client")
		status, body = spoof(identified(authority(controlplane.ClientCA), controlplane.FrontProxyClient)).get(ctx, list)
		Expect(status).To(Equal(http.StatusForbidden), body)
		Expect(body).To(ContainSubstring(`User \"front-proxy-client\"`))

		By("a user with a certificate: the user, not the header's")
		status, body = spoof(identified(authority(controlplane.ClientCA), "mallory")).get(ctx, list)
		Expect(status).To(Equal(http.StatusForbidden), body)
		Expect(body).To(ContainSubstring(`User \"mallory\"`))

		By("the right CA, and another name")
		status, body = spoof(identified(authority(controlplane.FrontProxyCA), "other-proxy")).get(ctx, list)
		Expect(status).To(Equal(http.StatusUnauthorized), body)

		By("the right name, of a CA that nobody knows")
		unknown, err := certs.NewCA("front-proxy-ca")
		Expect(err).NotTo(HaveOccurred())
		status, body = spoof(identified(unknown, controlplane.FrontProxyClient)).get(ctx, list)
		Expect(status).To(Equal(http.StatusUnauthorized), body)

		By("the right name, of the CA for etcd")
		status, body = spoof(identified(authority(controlplane.EtcdCA), controlplane.FrontProxyClient)).get(ctx, list)
		Expect(status).To(Equal(http.StatusUnauthorized), body)
	})

	It("does not start where every client could be any user", func(ctx context.Context) {
		server, err := process.Find(ctx, env.Runner(), aggregatedimpl.ServerName)
		Expect(err).NotTo(HaveOccurred())
		port, err := process.FreePort()
		Expect(err).NotTo(HaveOccurred())
		clientCA, _ := certs.Files(plane.PKIDir(), controlplane.ClientCA)
		open := server.Spec
		open.Name = "open-server"
		open.Args = append(slices.Clone(open.Args), fmt.Sprintf("--secure-port=%d", port),
			"--requestheader-client-ca-file="+clientCA)
		Expect(env.Runner().Run(ctx, open)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(env.Runner().Stop(ctx, open.Name)).To(Succeed()) })
		Eventually(func(g Gomega) {
			status, err := process.Find(ctx, env.Runner(), open.Name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(status.State).To(Equal(process.Exited))
			g.Expect(status.ExitCode).To(HaveValue(Equal(1)))
			lines, err := process.LogTail(status.LogFile, 1)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(lines).To(ConsistOf(ContainSubstring("refusing to start: the request-header CA is also a client CA")))
		}).Should(Succeed())
	})

	It("refuses tokens that kube-apiserver did not issue", func(ctx context.Context) {
		for _, token := range []string{"forged", "a.b.c", strings.Repeat("x", 64<<10)} {
			status, body := nobody.with("Authorization", "Bearer "+token).get(ctx, list)
			Expect(status).To(Equal(http.StatusUnauthorized), body)
		}
	})

	It("asks kube-apiserver what a user may do", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		in := "/apis/mysql.example.com/v1/namespaces/" + namespace + "/mysqlinstances"
		_, err := cluster.CoreV1().ServiceAccounts(namespace).Create(ctx,
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "user"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		token, err := cluster.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, "user",
			&authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		user := nobody.with("Authorization", "Bearer "+token.Status.Token)

		status, body := user.get(ctx, in)
		Expect(status).To(Equal(http.StatusForbidden), body)
		Expect(body).To(ContainSubstring("system:serviceaccount:" + namespace + ":user"))

		By("giving the user the right to get one instance")
		_, err = cluster.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Name: "reader"},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{"mysql.example.com"}, Resources: []string{"mysqlinstances"},
				Verbs: []string{"get"}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = cluster.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "reader"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "user"}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		create(ctx, namespace, newInstance("db"))
		Eventually(func() int { status, _ := user.get(ctx, in+"/db"); return status }).Should(Equal(http.StatusOK))

		By("and no other")
		for _, refused := range []struct{ method, path string }{
			{http.MethodGet, list}, {http.MethodDelete, in + "/db"}, {http.MethodGet, in + "/db/status"},
			{http.MethodGet, "/apis/mysql.example.com/v1/namespaces/default/mysqlinstances/db"},
		} {
			status, body = user.do(ctx, refused.method, refused.path, "")
			Expect(status).To(Equal(http.StatusForbidden), "%s %s: %s", refused.method, refused.path, body)
		}
		status, body = user.with("Impersonate-User", "duet-admin").with("Impersonate-Group", "system:masters").
			get(ctx, in+"/db")
		Expect(status).To(Equal(http.StatusForbidden), body)
		Expect(body).To(ContainSubstring("cannot impersonate"))
	})

	It("serves a renewed certificate without a restart", func(ctx context.Context) {
		presented := func() string {
			address, settings := endpoint()
			connection, err := tls.Dial("tcp", address, settings)
			Expect(err).NotTo(HaveOccurred())
			defer connection.Close()
			return connection.ConnectionState().PeerCertificates[0].SerialNumber.String()
		}
		before := presented()
		certFile, _ := certs.Files(filepath.Join(plane.Dir(), "install"), aggregatedimpl.ServerName)
		Expect(os.Remove(certFile)).To(Succeed())
		endpoint() // issues what is missing
		Eventually(presented).WithTimeout(90 * time.Second).ShouldNot(Equal(before))
		Expect(install.Serves(ctx, admin, "v1")).To(Succeed())
	})
})
