package controlplane_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/shared/controlplane"
)

var _ = Describe("A control plane that went down", func() {
	createKept := func(ctx context.Context, plane *controlplane.ControlPlane) {
		GinkgoHelper()
		_, err := adminOf(plane).CoreV1().ConfigMaps(metav1.NamespaceDefault).
			Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
	expectKept := func(ctx context.Context, plane *controlplane.ControlPlane) {
		GinkgoHelper()
		_, err := adminOf(plane).CoreV1().ConfigMaps(metav1.NamespaceDefault).Get(ctx, "kept", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
	}

	It("comes back with its data, at other ports when its own are taken, and after its state is damaged", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		plane := start(ctx, dir)
		createKept(ctx, plane)
		ports := plane.State().Ports
		Expect(plane.Stop(ctx)).To(Succeed())
		Expect(processesOf(ctx, dir)).To(BeEmpty())

		By("taking the ports of etcd and kube-apiserver")
		for _, name := range []string{controlplane.Etcd, controlplane.APIServer} {
			listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[name])))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(listener.Close)
		}
		moved := start(ctx, dir)
		Expect(moved.State().Ports[controlplane.Etcd]).NotTo(Equal(ports[controlplane.Etcd]))
		Expect(moved.State().Ports[controlplane.APIServer]).NotTo(Equal(ports[controlplane.APIServer]))
		Expect(moved.State().Ports[controlplane.ControllerManager]).To(Equal(ports[controlplane.ControllerManager]))
		expectKept(ctx, moved)
		Expect(moved.Stop(ctx)).To(Succeed())

		By("cutting the state file off in the middle")
		state := filepath.Join(dir, "state.json")
		data, err := os.ReadFile(state)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(state, data[:len(data)/2], 0o600)).To(Succeed())
		expectKept(ctx, start(ctx, dir))
	})

	It("starts after etcd was stopped before it had come into being", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		Expect(start(ctx, dir).Stop(ctx)).To(Succeed())
		data := filepath.Join(dir, "etcd")
		Expect(os.RemoveAll(data)).To(Succeed())
		log, err := wal.Create(zap.NewNop(), filepath.Join(data, "member", "wal"), nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(log.Close()).To(Succeed())
		createKept(ctx, start(ctx, dir))
	})

	It("leaves no process when its supervisor is killed, and comes back at the same ports", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		supervisor := exec.Command(os.Args[0])
		supervisor.Env = append(os.Environ(), superviseEnv+"="+dir)
		supervisor.Stderr = GinkgoWriter
		stdout, err := supervisor.StdoutPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(supervisor.Start()).To(Succeed())
		DeferCleanup(func() { _ = supervisor.Process.Kill() })
		line, err := bufio.NewReader(stdout).ReadString('\n')
		Expect(err).NotTo(HaveOccurred())
		Expect(line).To(Equal("ready\n"))
		Expect(processesOf(ctx, dir)).To(HaveLen(3))
		before, err := controlplane.LoadState(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(before.Supervisor.PID).To(Equal(supervisor.Process.Pid))

		Expect(supervisor.Process.Kill()).To(Succeed())
		Expect(supervisor.Wait()).To(MatchError(ContainSubstring("killed")))
		Eventually(processesOf).WithContext(ctx).WithArguments(dir).Should(BeEmpty())

		plane := start(ctx, dir)
		Expect(plane.State().Ports).To(Equal(before.Ports))
	})

	It("says why a component does not start, and stops the others", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		_, err := controlplane.Start(ctx, controlplane.Options{Dir: dir, APIServerArgs: []string{"--no-such-flag"}})
		Expect(err).To(MatchError(And(
			ContainSubstring("kube-apiserver exited with code 1"), ContainSubstring("unknown flag: --no-such-flag"))))
		Expect(processesOf(ctx, dir)).To(BeEmpty())
	})

	It("tries another port when a program takes one in the last moment, and gives up when that goes on", func(ctx context.Context) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(taken.Close)
		for _, options := range []controlplane.Options{
			{EtcdArgs: []string{"--listen-client-urls=https://" + taken.Addr().String()}},
			{APIServerArgs: []string{fmt.Sprintf("--secure-port=%d", taken.Addr().(*net.TCPAddr).Port)}},
		} {
			var progress bytes.Buffer
			options.Dir, options.Out = GinkgoT().TempDir(), io.MultiWriter(&progress, GinkgoWriter)
			_, err := controlplane.Start(ctx, options)
			Expect(err).To(MatchError(ContainSubstring("address already in use")))
			Expect(strings.Count(progress.String(), "another program took port")).To(Equal(2))
			Expect(processesOf(ctx, options.Dir)).To(BeEmpty())
		}
	})

	It("refuses a directory that holds something else", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600)).To(Succeed())
		_, err := controlplane.Start(ctx, controlplane.Options{Dir: dir})
		Expect(err).To(MatchError(ContainSubstring("neither empty nor a directory of a control plane")))
		Expect(controlplane.DeleteData(dir)).To(MatchError(ContainSubstring("nothing is deleted")))
		Expect(filepath.Join(dir, "thesis.tex")).To(BeARegularFile())
	})
})
