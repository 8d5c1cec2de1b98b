package mysql_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/e2e/mysql/node"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller/config"
	"github.com/duet-api/duet/shared/process"
)

func processOf(pod *corev1.Pod) string { return node.Process(pod) }

// metric of the controller: the value of the first series that names a text among its labels.
func (s *stage) metric(ctx context.Context, name, label string) (float64, error) {
	status, err := process.Find(ctx, s.site.Plane.Runner(), config.Name)
	if err != nil {
		return 0, err
	}
	address := ""
	for _, argument := range status.Spec.Args {
		if value, ok := strings.CutPrefix(argument, "--metrics-bind-address="); ok {
			address = value
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, name+"{") && strings.Contains(line, `"`+label+`"`) {
			return strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64)
		}
	}
	return 0, fmt.Errorf("there is no series of %s with %s", name, label)
}

// accountSpecs change the root password.
func accountSpecs(s *stage) {
	// changed waits until the new password is everywhere, and shows that no server was restarted for it.
	changed := func(ctx context.Context, old string, change func()) {
		GinkgoHelper()
		before, err := s.uids(ctx)
		Expect(err).NotTo(HaveOccurred())
		change()
		password, err := s.rootPassword(ctx)
		Expect(err).NotTo(HaveOccurred())
		for ordinal := range 2 {
			Eventually(func(g Gomega) {
				for candidate, want := range map[string]bool{password: true, old: false} {
					db, err := s.connect(ctx, ordinal, "root", candidate)
					g.Expect(err).NotTo(HaveOccurred())
					err = db.PingContext(ctx)
					g.Expect(db.Close()).To(Succeed())
					g.Expect(err == nil).To(Equal(want), "server %d: %v", ordinal, err)
				}
			}).WithContext(ctx).Should(Succeed())
		}
		s.awaitReady(ctx)
		// Nothing is remembered that is of no more use.
		Eventually(func() (string, error) { return s.secret(ctx, "db-accounts", "earlier-root-passwords") }).
			WithContext(ctx).Should(BeEmpty())
		Expect(s.uids(ctx)).To(Equal(before), "a server was restarted")
	}
	write := func(ctx context.Context, name, key, value string) {
		GinkgoHelper()
		secret := &corev1.Secret{}
		Expect(s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, secret)).To(Succeed())
		secret.Data[key] = []byte(value)
		Expect(s.Update(ctx, secret)).To(Succeed())
	}

	It("get a new root password when its Secret does", func(ctx context.Context) {
		old, err := s.rootPassword(ctx)
		Expect(err).NotTo(HaveOccurred())
		changed(ctx, old, func() { write(ctx, "db-root", "password", `it's "new" \ pass#word`) })
		s.replicates(ctx, 1, 40)
	})

	It("get another one when the spec names another Secret, although one server is away meanwhile", func(ctx context.Context) {
		old, err := s.rootPassword(ctx)
		Expect(err).NotTo(HaveOccurred())
		pod, err := s.pod(ctx, 1)
		Expect(err).NotTo(HaveOccurred())
		changed(ctx, old, func() {
			Expect(s.site.Plane.Runner().Pause(ctx, processOf(pod))).To(Succeed())
			Expect(s.Create(ctx, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "mine"},
				Data:       map[string][]byte{"root": []byte("second")},
			})).To(Succeed())
			s.edit(ctx, func(spec *v1.MySQLInstanceSpec) {
				spec.Credentials = &v1.Credentials{RootSecretRef: v1.SecretKeyReference{Name: "mine", Key: "root"}}
			})
			Eventually(s.query(0, "SELECT 1")).WithContext(ctx).Should(Equal("1"))
			// And once more, before the other one has it.
			write(ctx, "mine", "root", "third")
			Eventually(s.query(0, "SELECT 1")).WithContext(ctx).Should(Equal("1"))
			Expect(s.site.Plane.Runner().Resume(ctx, processOf(pod))).To(Succeed())
		})
		s.replicates(ctx, 1, 41)
	})

	It("get it although the controller is killed meanwhile", func(ctx context.Context) {
		old, err := s.rootPassword(ctx)
		Expect(err).NotTo(HaveOccurred())
		changed(ctx, old, func() {
			write(ctx, "mine", "root", "fourth")
			Eventually(func() (string, error) { return s.secret(ctx, "db-accounts", "root-password") }).
				WithContext(ctx).WithPolling(5 * time.Millisecond).Should(Equal("fourth"))
			Expect(s.site.Plane.Runner().Kill(ctx, config.Name)).To(Succeed())
			Expect(s.site.Plane.Runner().Restart(ctx, config.Name)).To(Succeed())
		})
		s.replicates(ctx, 1, 42)
	})
}

// settingSpecs change parameters.
func settingSpecs(s *stage) {
	const liveValue, startValue = "SELECT @@GLOBAL.max_connections", "SELECT @@GLOBAL.back_log"
	parameters := func(list ...v1.Parameter) func(*v1.MySQLInstanceSpec) {
		return func(spec *v1.MySQLInstanceSpec) { spec.Parameters = list }
	}

	It("take up a dynamic parameter, and its default again, without a restart", func(ctx context.Context) {
		before, err := s.uids(ctx)
		Expect(err).NotTo(HaveOccurred())
		byDefault, err := s.query(0, liveValue)(ctx)
		Expect(err).NotTo(HaveOccurred())
		for _, step := range []struct {
			change func(*v1.MySQLInstanceSpec)
			want   string
		}{
			{parameters(v1.Parameter{Name: "max_connections", Value: "77"}, v1.Parameter{Name: "sort_buffer_size", Value: "1M"}), "77"},
			{parameters(), byDefault},
		} {
			s.edit(ctx, step.change)
			for ordinal := range 2 {
				Eventually(s.query(ordinal, liveValue)).WithContext(ctx).Should(Equal(step.want), "server %d", ordinal)
			}
			s.awaitReady(ctx)
		}
		Expect(s.uids(ctx)).To(Equal(before), "a server was restarted")
	})

	It("lose a parameter that left the spec while they were being started", func(ctx context.Context) {
		byDefault, err := s.query(0, liveValue)(ctx)
		Expect(err).NotTo(HaveOccurred())
		s.edit(ctx, parameters(v1.Parameter{Name: "max_connections", Value: "78"}))
		s.awaitReady(ctx)
		Expect(s.site.Plane.Runner().Kill(ctx, config.Name)).To(Succeed())
		before, err := s.pod(ctx, 1)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Delete(ctx, before)).To(Succeed())
		Eventually(func(g Gomega) {
			pod, err := s.pod(ctx, 1)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(pod.UID).NotTo(Equal(before.UID))
			g.Expect(s.query(1, liveValue)(ctx)).To(Equal("78"))
		}).WithContext(ctx).Should(Succeed())
		s.edit(ctx, parameters())
		Expect(s.site.Plane.Runner().Restart(ctx, config.Name)).To(Succeed())
		for ordinal := range 2 {
			Eventually(s.query(ordinal, liveValue)).WithContext(ctx).Should(Equal(byDefault), "server %d", ordinal)
		}
		s.awaitReady(ctx)
	})

	It("say what a server does not take", func(ctx context.Context) {
		s.edit(ctx, parameters(v1.Parameter{Name: "lc_time_names", Value: "xx_XX"}))
		s.await(ctx, v1.ConditionConfigurationApplied, "False FieldsNotObeyed: spec.parameters[lc_time_names]: pod db-0:")
		s.edit(ctx, parameters())
		s.awaitReady(ctx)
	})

	It("take up a static parameter by being restarted", func(ctx context.Context) {
		before, err := s.uids(ctx)
		Expect(err).NotTo(HaveOccurred())
		s.edit(ctx, parameters(v1.Parameter{Name: "back_log", Value: "123"}))
		for ordinal := range 2 {
			Eventually(s.query(ordinal, startValue)).WithContext(ctx).WithTimeout(2*time.Minute).
				Should(Equal("123"), "server %d", ordinal)
		}
		s.awaitReady(ctx)
		after, err := s.uids(ctx)
		Expect(err).NotTo(HaveOccurred())
		for name := range before {
			Expect(after[name]).NotTo(Equal(before[name]), "%s was not restarted", name)
		}
		s.replicates(ctx, 1, 50)
	}, NodeTimeout(4*time.Minute))
}

// lifeSpecs do to the whole instance what its user may.
func lifeSpecs(s *stage) {
	It("follow the primary when there are more, and are missed by nobody when there are fewer", func(ctx context.Context) {
		s.edit(ctx, func(spec *v1.MySQLInstanceSpec) { spec.Replicas = new(int32(3)) })
		s.awaitReady(ctx)
		s.replicates(ctx, 2, 60)
		s.edit(ctx, func(spec *v1.MySQLInstanceSpec) { spec.Replicas = new(int32(2)) })
		s.awaitReady(ctx)
		s.replicates(ctx, 1, 61)
		// Its volume is an old one, and it catches up.
		s.edit(ctx, func(spec *v1.MySQLInstanceSpec) { spec.Replicas = new(int32(3)) })
		s.awaitReady(ctx)
		s.replicates(ctx, 2, 62)
	}, NodeTimeout(4*time.Minute))

	It("keep their data when they are stopped", func(ctx context.Context) {
		rows, err := s.rows(0)(ctx)
		Expect(err).NotTo(HaveOccurred())
		s.edit(ctx, func(spec *v1.MySQLInstanceSpec) { spec.PowerState = v1.PowerStopped })
		Eventually(s.uids).WithContext(ctx).Should(BeEmpty())
		s.await(ctx, v1.ConditionReplicating, "False Stopped")
		s.edit(ctx, func(spec *v1.MySQLInstanceSpec) { spec.PowerState = v1.PowerRunning })
		s.awaitReady(ctx)
		Expect(s.rows(0)(ctx)).To(Equal(rows))
		s.replicates(ctx, 2, 63)
	}, NodeTimeout(4*time.Minute))
}
