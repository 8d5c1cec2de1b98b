package aggregatedimpl_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport/websocket"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/client/clientset/versioned"
	"github.com/duet-api/duet/shared/client/clientset/versioned/scheme"
	"github.com/duet-api/duet/shared/install"
)

// writeLog has every server write a line: on fake nodes all containers have one log.
func writeLog(line string) {
	GinkgoHelper()
	file, err := os.OpenFile(plane.PodLog(), os.O_APPEND|os.O_WRONLY, 0)
	Expect(err).NotTo(HaveOccurred())
	_, err = fmt.Fprintf(file, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), line)
	Expect(err).NotTo(HaveOccurred())
	Expect(file.Close()).To(Succeed())
}

func logOf(user versioned.Interface, namespace string, options *v1.MySQLInstanceLogOptions) *rest.Request {
	return user.MysqlV1().RESTClient().Get().Namespace(namespace).Resource("mysqlinstances").Name("db").
		SubResource("log").VersionedParams(options, scheme.ParameterCodec)
}

var _ = Describe("The log subresource", func() {
	var namespace string
	BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

	It("reads the last lines, and follows", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		newServer(ctx, namespace, nil)
		writeLog("the first")
		writeLog("the last")
		one := int64(1)
		text, err := logOf(client, namespace, &v1.MySQLInstanceLogOptions{TailLines: &one}).DoRaw(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(Equal("the last\n"))

		stream, err := logOf(client, namespace, &v1.MySQLInstanceLogOptions{TailLines: &one, Follow: true}).Stream(ctx)
		Expect(err).NotTo(HaveOccurred())
		defer stream.Close()
		lines := bufio.NewScanner(stream)
		line := "the last"
		for _, next := range []string{"one more", "and another"} {
			Expect(lines.Scan()).To(BeTrue(), "the stream ended: %v", lines.Err())
			Expect(lines.Text()).To(Equal(line))
			line = next
			writeLog(line)
		}
	})

	It("goes over a WebSocket as well, for browsers", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		newServer(ctx, namespace, nil)
		writeLog("for a browser")
		transport, holder, err := websocket.RoundTripperFor(admin)
		Expect(err).NotTo(HaveOccurred())
		one := int64(1)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, logOf(client, namespace,
			&v1.MySQLInstanceLogOptions{TailLines: &one, Follow: true}).URL().String(), nil)
		Expect(err).NotTo(HaveOccurred())
		connection, err := websocket.Negotiate(transport, holder, request, "binary.k8s.io")
		Expect(err).NotTo(HaveOccurred())
		defer connection.Close()
		var text []byte
		for len(text) == 0 { // The first message is empty: it says that the stream is open.
			_, text, err = connection.ReadMessage()
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(string(text)).To(Equal("for a browser\n"))
	})

	It("is a right of its own, and enough", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		newServer(ctx, namespace, nil)
		user := userWith(ctx, namespace, "get", "mysqlinstances/log")
		Eventually(func() error {
			_, err := logOf(user, namespace, &v1.MySQLInstanceLogOptions{}).DoRaw(ctx)
			return err
		}).Should(Succeed())
		err := logOf(clientOf("stranger"), namespace, &v1.MySQLInstanceLogOptions{}).Do(ctx).Error()
		Expect(err).To(MatchError(apierrors.IsForbidden, "IsForbidden"))
	})

	It("does not read the log of a pod that only has the name of a server", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		newServer(ctx, namespace, func(pod *corev1.Pod) { pod.Labels = map[string]string{"app": "vault"} })
		err := logOf(client, namespace, &v1.MySQLInstanceLogOptions{}).Do(ctx).Error()
		Expect(err).To(MatchError(ContainSubstring(`could not find server 0: pods "db-0" not found`)))
		Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
	})

	It("says what is wrong with its options", func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		minusOne := int64(-1)
		for _, options := range []*v1.MySQLInstanceLogOptions{{Server: -1}, {Server: 1 << 40}, {TailLines: &minusOne}} {
			err := logOf(client, namespace, options).Do(ctx).Error()
			Expect(err).To(MatchError(apierrors.IsInvalid, "IsInvalid"))
		}
		err := client.MysqlV1().RESTClient().Get().Namespace(namespace).Resource("mysqlinstances").Name("db").
			SubResource("log").Param("tailLines", "many").Do(ctx).Error()
		Expect(err).To(MatchError(apierrors.IsBadRequest, "IsBadRequest"))
		err = logOf(client, namespace, &v1.MySQLInstanceLogOptions{Server: 3}).Do(ctx).Error()
		Expect(err).To(MatchError(ContainSubstring(`pods "db-3" not found`)))
		Expect(client.MysqlV1().RESTClient().Post().Namespace(namespace).Resource("mysqlinstances").Name("db").
			SubResource("log").Do(ctx).Error()).To(MatchError(apierrors.IsMethodNotSupported, "IsMethodNotSupported"))
	})

	// Serial: the server is away for a moment.
	It("ends with the server, which does not wait for those who listen", Serial, func(ctx context.Context) {
		create(ctx, namespace, newInstance("db"))
		newServer(ctx, namespace, nil)
		stream, err := logOf(client, namespace, &v1.MySQLInstanceLogOptions{Follow: true}).Stream(ctx)
		Expect(err).NotTo(HaveOccurred())
		defer stream.Close()
		Expect(env.Runner().Restart(ctx, aggregatedimpl.ServerName)).To(Succeed())
		lines := bufio.NewScanner(stream)
		for lines.Scan() {
		}
		Expect(lines.Err()).NotTo(HaveOccurred(), "the stream was cut off, and not ended")
		Eventually(func() error { return install.Serves(ctx, admin, "v1", "v1alpha1") }).Should(Succeed())
	})
})
