package e2e_test

import (
	"context"
	"os"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// site is a control plane with one form installed.
type site struct {
	form    install.Implementation
	profile string
	*behaviour.Site
	client *wire.Client
}

// open starts the control plane and installs the form.
func (s *site) open(ctx context.Context) {
	GinkgoHelper()
	s.Site = suite.Open(ctx, s.form, s.profile, binaries, controlplane.Options{})
	var err error
	s.client, err = wire.New(s.Config())
	Expect(err).NotTo(HaveOccurred())
}

// namespace makes a namespace that goes with the control plane.
func (s *site) namespace(ctx context.Context, prefix string) string {
	GinkgoHelper()
	client, err := kubernetes.NewForConfig(s.Config())
	Expect(err).NotTo(HaveOccurred())
	namespace, err := client.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return namespace.Name
}

// create makes an instance.
func (s *site) create(ctx context.Context, namespace, name string, edits ...fixture.Edit) {
	GinkgoHelper()
	answer, err := s.client.Send(ctx, "POST", fixture.Path(fixture.V1, namespace), fixture.Instance(name, edits...))
	Expect(err).NotTo(HaveOccurred())
	Expect(answer.Verdict()).To(Equal("201"))
}

// remove deletes an instance and waits until it is gone, whatever finalizers it has.
func (s *site) remove(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	path := fixture.Path(fixture.V1, namespace, name)
	answer, err := s.client.Send(ctx, "DELETE", path, nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(answer.Verdict()).To(Equal("200"))
	Eventually(func(g Gomega) {
		answer, err := s.client.Send(ctx, "GET", path, nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Code).To(Equal(404))
	}).WithContext(ctx).Should(Succeed())
}

// life of the processes: a crash shows in the process, even if somebody had started it again.
type life struct {
	PID, Restarts int
	State         process.State
}

func (s *site) lives(ctx context.Context) map[string]life {
	GinkgoHelper()
	statuses, err := s.Plane.Runner().List(ctx)
	Expect(err).NotTo(HaveOccurred())
	lives := map[string]life{}
	for _, status := range statuses {
		lives[status.Spec.Name] = life{PID: status.PID, Restarts: status.Restarts, State: status.State}
	}
	return lives
}

var panicked = regexp.MustCompile(`(?m)^.*(panic serving|Observed a panic|^panic:|runtime error:).*$`)

// panics are the lines of all logs that tell of one, by process.
func (s *site) panics(ctx context.Context) map[string][]string {
	GinkgoHelper()
	statuses, err := s.Plane.Runner().List(ctx)
	Expect(err).NotTo(HaveOccurred())
	found := map[string][]string{}
	for _, status := range statuses {
		log, err := os.ReadFile(status.LogFile)
		Expect(err).NotTo(HaveOccurred())
		for _, line := range panicked.FindAllString(string(log), -1) {
			found[status.Spec.Name] = append(found[status.Spec.Name], strings.TrimSpace(line))
		}
	}
	return found
}
