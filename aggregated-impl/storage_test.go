package aggregatedimpl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// stored reads one key of an etcd.
func stored(ctx context.Context, access controlplane.EtcdAccess, key string) string {
	GinkgoHelper()
	settings, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{
		CAFile: access.CAFile, CertFile: access.CertFile, KeyFile: access.KeyFile}})
	Expect(err).NotTo(HaveOccurred())
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{access.URL}, TLS: settings})
	Expect(err).NotTo(HaveOccurred())
	defer etcd.Close()
	answer, err := etcd.Get(ctx, key)
	Expect(err).NotTo(HaveOccurred())
	if len(answer.Kvs) == 0 {
		return ""
	}
	return string(answer.Kvs[0].Value)
}

var _ = Describe("Storage", func() {
	It("uses the CustomResourceDefinition's keys and encoding, whatever version was sent", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		created, err := client.MysqlV1alpha1().MySQLInstances(namespace).
			Create(ctx, newAlphaInstance(), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())

		value := stored(ctx, env.Etcd(), "/registry/mysql.example.com/mysqlinstances/"+namespace+"/db")
		var object map[string]any
		Expect(json.Unmarshal([]byte(value), &object)).To(Succeed(), "want JSON, got %.80q", value)
		Expect(object).To(HaveKeyWithValue("apiVersion", "mysql.example.com/v1"))
		Expect(object).To(HaveKeyWithValue("kind", "MySQLInstance"))
		Expect(object["metadata"]).To(HaveKeyWithValue("uid", string(created.UID)))
		Expect(object["spec"]).To(HaveKeyWithValue("version", "8.4.3"))
	})

	It("encodes as the flag says, and reads what was encoded otherwise", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		create(ctx, namespace, newInstance("json"))

		By("running a second server on the same keys, which writes protobuf")
		status, err := process.Find(ctx, env.Runner(), aggregatedimpl.ServerName)
		Expect(err).NotTo(HaveOccurred())
		port, err := process.FreePort()
		Expect(err).NotTo(HaveOccurred())
		second := status.Spec
		second.Name = "second-server"
		second.Args = append(slices.Clone(second.Args), fmt.Sprintf("--secure-port=%d", port),
			"--storage-media-type=application/vnd.kubernetes.protobuf")
		Expect(env.Runner().Run(ctx, second)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(env.Runner().Stop(ctx, second.Name)).To(Succeed()) })

		in := "/apis/mysql.example.com/v1/namespaces/" + namespace + "/mysqlinstances"
		proxy := identified(authority(controlplane.FrontProxyCA), controlplane.FrontProxyClient).
			with("X-Remote-User", "test").with("X-Remote-Group", "system:masters").with("Content-Type", "application/json")
		proxy.port = port
		Eventually(func() error { return proxy.reach(ctx, "/readyz") }).Should(Succeed())
		body, err := json.Marshal(newInstance("protobuf"))
		Expect(err).NotTo(HaveOccurred())
		code, answer := proxy.do(ctx, http.MethodPost, in, string(body))
		Expect(code).To(Equal(http.StatusCreated), answer)
		code, answer = proxy.get(ctx, in+"/json")
		Expect(code).To(Equal(http.StatusOK), answer)

		prefix := "/registry/mysql.example.com/mysqlinstances/" + namespace
		Expect(stored(ctx, env.Etcd(), prefix+"/protobuf")).To(HavePrefix("k8s\x00"))
		Expect(stored(ctx, env.Etcd(), prefix+"/json")).To(HavePrefix("{"))
		Eventually(func() error {
			_, err := client.MysqlV1().MySQLInstances(namespace).Get(ctx, "protobuf", metav1.GetOptions{})
			return err
		}).Should(Succeed())
		// A CustomResourceDefinition could not read it, so it does not stay.
		Expect(client.MysqlV1().MySQLInstances(namespace).Delete(ctx, "protobuf", metav1.DeleteOptions{})).To(Succeed())
	})
})

var _ = Describe("The profile with a dedicated etcd", Serial, func() {
	It("stores there, under the same keys, and nowhere else", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		key := "/registry/mysql.example.com/mysqlinstances/" + namespace + "/db"
		bringUp(ctx, aggregatedimpl.ProfileDedicated)
		DeferCleanup(func(ctx context.Context) {
			bringUp(ctx, aggregatedimpl.ProfileShared)
			Expect(env.Runner().Stop(ctx, "duet-etcd")).To(Succeed())
		})

		Eventually(func() error { // Until the server of the other profile has stopped answering.
			_, err := client.MysqlV1().MySQLInstances(namespace).Create(ctx, newInstance("db"), metav1.CreateOptions{})
			return err
		}).Should(Succeed())
		server, err := process.Find(ctx, env.Runner(), aggregatedimpl.ServerName)
		Expect(err).NotTo(HaveOccurred())
		dedicated := controlplane.EtcdAccess{}
		for flag, value := range map[string]*string{"--etcd-servers=": &dedicated.URL, "--etcd-cafile=": &dedicated.CAFile,
			"--etcd-certfile=": &dedicated.CertFile, "--etcd-keyfile=": &dedicated.KeyFile} {
			for _, arg := range server.Spec.Args {
				if rest, found := strings.CutPrefix(arg, flag); found {
					*value = rest
				}
			}
		}
		Expect(dedicated.URL).NotTo(Equal(env.Etcd().URL))
		Expect(stored(ctx, dedicated, key)).To(HavePrefix("{"))
		Expect(stored(ctx, env.Etcd(), key)).To(BeEmpty())
	})
})

// recovered waits until the API answers again, and goes on answering: kube-apiserver may yet write down that it was not
// available when it is by now.
func recovered(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() error { return install.Serves(ctx, admin, "v1", "v1alpha1") }).
		MustPassRepeatedly(10).Should(Succeed())
}

var _ = Describe("The process", func() {
	It("has only the rights it needs: nothing was forbidden to it", func(ctx context.Context) {
		Expect(install.Serves(ctx, admin, "v1", "v1alpha1")).To(Succeed())
		log := serverLog(ctx)
		Expect(strings.ToLower(log)).NotTo(ContainSubstring("forbidden"))
		Expect(log).NotTo(ContainSubstring("is deprecated"))
	})

	It("is audited, and measured, as kube-apiserver is", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		create(ctx, namespace, newInstance("audited"))
		dir, err := env.Dir(aggregatedimpl.ServerName)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(g Gomega) {
			log, err := os.ReadFile(filepath.Join(dir, "audit.log"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(log)).To(ContainSubstring(
				`"resource":"mysqlinstances","namespace":"` + namespace + `","name":"audited"`))
			g.Expect(string(log)).To(ContainSubstring(`"username":"duet-admin"`))
		}).Should(Succeed())

		metrics := identified(authority(controlplane.ClientCA), "metrics", controlplane.AdministratorsGroup)
		status, answer := metrics.get(ctx, "/metrics")
		Expect(status).To(Equal(http.StatusOK), "%.300s", answer)
		for _, name := range []string{"apiserver_request_total", "apiserver_flowcontrol_dispatched_requests_total",
			"etcd_request_duration_seconds", "apiserver_delegated_authz_request_total", "apiserver_audit_event_total"} {
			Expect(strings.Contains(answer, "\n"+name)).To(BeTrue(), name)
		}
	})

	It("ends in good order when it is told to", Serial, func(ctx context.Context) {
		status, err := process.Find(ctx, env.Runner(), aggregatedimpl.ServerName)
		Expect(err).NotTo(HaveOccurred())
		Expect(syscall.Kill(status.PID, syscall.SIGTERM)).To(Succeed())
		Eventually(func(g Gomega) {
			status, err = process.Find(ctx, env.Runner(), aggregatedimpl.ServerName)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(status.State).To(Equal(process.Exited))
		}).Should(Succeed())
		Expect(*status.ExitCode).To(BeZero())
		Expect(serverLog(ctx)).NotTo(ContainSubstring("panic"))
		Expect(env.Runner().Restart(ctx, aggregatedimpl.ServerName)).To(Succeed())
		recovered(ctx)
	})

	It("keeps the objects over a crash", Serial, func(ctx context.Context) {
		namespace := newNamespace(ctx)
		create(ctx, namespace, newInstance("db"))
		Expect(env.Runner().Kill(ctx, aggregatedimpl.ServerName)).To(Succeed())
		_, err := client.MysqlV1().MySQLInstances(namespace).Get(ctx, "db", metav1.GetOptions{})
		Expect(err).To(HaveOccurred())
		Expect(env.Runner().Restart(ctx, aggregatedimpl.ServerName)).To(Succeed())
		recovered(ctx)
		_, err = client.MysqlV1().MySQLInstances(namespace).Get(ctx, "db", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
	})
})
