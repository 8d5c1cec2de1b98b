package e2e_test

import (
	"context"
	"strconv"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/switching"
)

// openedSpecs are about a switch that copies, and is interrupted before or when writes are let in again. They begin and end
// with the crd form.
func openedSpecs(s *site, namespace func() string) {
	It("goes back to what was copied, and takes nothing from a copy that nobody was let write to", func(ctx context.Context) {
		was, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		s.interrupted(ctx, switching.Options{To: install.Aggregated, Strategy: switching.Dedicated}, "", string(switching.Park))
		copied, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		Expect(copied.UID).To(Equal(was.UID))

		By("losing the copy")
		client, prefix := s.copies(ctx)
		lost, err := client.Delete(ctx, prefix, clientv3.WithPrefix())
		Expect(err).NotTo(HaveOccurred())
		Expect(lost.Deleted).To(BeNumerically(">", 0))
		Expect(s.Plane.Runner().Kill(ctx, serverName)).To(Succeed())

		result, err := s.switching(ctx, switching.Options{Rollback: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Finished).To(BeTrue())
		now, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred(), "what the copy had lost was taken from it")
		Expect(now.UID).To(Equal(was.UID))
		order, err := resourceversion.CompareResourceVersion(copied.ResourceVersion, now.ResourceVersion)
		Expect(err).NotTo(HaveOccurred())
		Expect(order).To(Equal(-1), "it went back from %s to %s", copied.ResourceVersion, now.ResourceVersion)
	})

	It("goes back to a server that still answered when the flip to the definition was interrupted", func(ctx context.Context) {
		_, err := s.switching(ctx, switching.Options{To: install.Aggregated, Strategy: switching.Dedicated})
		Expect(err).NotTo(HaveOccurred())
		was, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		s.interrupted(ctx, switching.Options{To: install.CRD, Strategy: switching.Dedicated}, string(switching.Flip), "v1 goes to")

		result, err := s.switching(ctx, switching.Options{Rollback: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Finished).To(BeTrue())
		status, err := s.Installer.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(status.Form).To(Equal(install.Aggregated))
		now, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		Expect(now.UID).To(Equal(was.UID))

		_, err = s.switching(ctx, switching.Options{To: install.CRD, Strategy: switching.Dedicated})
		Expect(err).NotTo(HaveOccurred())
	})

	It("keeps what is written when a switch that copies is interrupted, and is taken back", func(ctx context.Context) {
		was, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		there := switching.Options{To: install.Aggregated, Strategy: switching.Dedicated}
		for _, way := range []struct {
			options  switching.Options
			to, name string
		}{{there, install.Aggregated, "written-there"}, {switching.Options{Rollback: true}, install.CRD, "written-back"}} {
			s.interrupted(ctx, way.options, "lowering the fences", "stopping")
			Eventually(func(ctx context.Context) (string, error) {
				answer, err := s.client.Send(ctx, "POST", fixture.Path(fixture.V1, namespace()), fixture.Instance(way.name))
				if err != nil {
					return "", err
				}
				return answer.Verdict(), nil
			}).WithContext(ctx).Should(Equal("201"), "writes are not let in again")
			status, err := s.Installer.Status(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(status.Form).To(Equal(way.to))
			Expect(status.Switch.Phase).To(Equal(install.Switching))

			result, err := s.switching(ctx, way.options)
			Expect(err).NotTo(HaveOccurred())
			Expect(result.Finished).To(BeTrue())
			_, err = s.instance(ctx, namespace(), way.name)
			Expect(err).NotTo(HaveOccurred(), "an acknowledged write is lost")
			now, err := s.instance(ctx, namespace(), "db")
			Expect(err).NotTo(HaveOccurred())
			Expect(now.UID).To(Equal(was.UID))
		}
		_, err = s.instance(ctx, namespace(), "written-there")
		Expect(err).NotTo(HaveOccurred())

		result, err := s.switching(ctx, switching.Options{Rollback: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.To).To(Equal(install.CRD), "what was taken back is done again")
		s.remove(ctx, namespace(), "written-there")
		s.remove(ctx, namespace(), "written-back")
	})
}

// resumedSpecs are about a flip to the server that is interrupted in the middle, and gone on with later. They begin and end with
// the crd form.
func resumedSpecs(s *site, namespace func() string) {
	It("tells whoever comes from the definition what was made anew, however far that has gone on meanwhile", func(ctx context.Context) {
		was, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		anew := switching.Options{To: install.Aggregated, Strategy: switching.API}
		s.interrupted(ctx, anew, "", fixture.V1+" goes to")
		state, err := s.Installer.ReadSwitch(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(state.Step).To(Equal(string(switching.Flip)))
		storage, prefix := s.copies(ctx)
		there, err := storage.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		Expect(err).NotTo(HaveOccurred())
		Expect(there.Count).To(BeNumerically(">", 0))
		const settling = 500 // More revisions than a switch that goes on from here needs for one object.
		from := s.goOn(ctx, namespace(), there.Header.Revision+settling)

		_, err = s.switching(ctx, anew)
		Expect(err).NotTo(HaveOccurred())
		client, err := metadata.NewForConfig(s.Config())
		Expect(err).NotTo(HaveOccurred())
		watching, err := client.Resource(install.Resource).Namespace(namespace()).Watch(ctx, metav1.ListOptions{ResourceVersion: from})
		Expect(err).NotTo(HaveOccurred())
		defer watching.Stop()
		Eventually(watching.ResultChan()).WithContext(ctx).Should(Receive(Satisfy(func(event watch.Event) bool {
			if event.Type == watch.Error { // It is to read everything anew.
				return apierrors.IsResourceExpired(apierrors.FromObject(event.Object))
			}
			object, ok := event.Object.(*metav1.PartialObjectMetadata)
			return ok && object.Name == "db" && object.UID != was.UID
		})), "a watch from resourceVersion %s is not told of the object that was made anew", from)
		Expect(s.instance(ctx, namespace(), "db")).To(HaveField("Annotations", HaveLen(1)), "the annotation with the UID that it had")

		_, err = s.switching(ctx, switching.Options{To: install.CRD, Strategy: switching.Dedicated})
		Expect(err).NotTo(HaveOccurred())
	})

	It("goes on from a version that was left with the definition, and nothing is answered 404", func(ctx context.Context) {
		s.interrupted(ctx, switching.Options{To: install.Aggregated}, "", string(switching.Park))
		registration := "/apis/apiregistration.k8s.io/v1/apiservices/" + fixture.V1 + "." + install.Group
		answer, err := s.client.Send(ctx, "DELETE", registration, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Verdict()).To(Equal("200"))
		Eventually(func(g Gomega) {
			answer, err := s.client.Send(ctx, "GET", registration, nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(answer.Object()).To(HaveField("Object", HaveKeyWithValue("spec", Not(HaveKey("service")))))
		}).WithContext(ctx).Should(Succeed(), "kube-apiserver does not register what the definition serves")

		reading, stop := context.WithCancel(ctx)
		var readers sync.WaitGroup
		codes := map[int]int{}
		readers.Go(func() {
			for reading.Err() == nil {
				if answer, err := s.client.Send(reading, "GET", fixture.Path(fixture.V1, namespace(), "db"), nil); err == nil {
					codes[answer.Code]++
				}
			}
		})
		result, err := s.switching(ctx, switching.Options{To: install.Aggregated})
		stop()
		readers.Wait()
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Finished).To(BeTrue())
		Expect(codes).To(And(HaveKey(200), Not(HaveKey(404))))

		_, err = s.switching(ctx, switching.Options{To: install.CRD})
		Expect(err).NotTo(HaveOccurred())
	})
}

// copies returns a client of the storage that objects are copied to, and the prefix that they have there.
func (s *site) copies(ctx context.Context) (*clientv3.Client, string) {
	GinkgoHelper()
	form, err := s.Installer.Forms.Named(install.Aggregated)
	Expect(err).NotTo(HaveOccurred())
	plan, err := s.Installer.Env.Plan(ctx, form, aggregatedimpl.ProfileDedicated)
	Expect(err).NotTo(HaveOccurred())
	client, err := plan.Etcd.Client()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(client.Close)
	return client, plan.Etcd.Prefix
}

// goOn has the cluster's revision grow above another one, and returns the resourceVersion that a client has by then.
func (s *site) goOn(ctx context.Context, namespace string, above int64) string {
	GinkgoHelper()
	config := rest.CopyConfig(s.Config())
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	growing, err := client.CoreV1().ConfigMaps(namespace).Create(ctx,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "growing-"}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	for at := int64(0); at <= above; {
		growing.Data = map[string]string{"after": growing.ResourceVersion}
		growing, err = client.CoreV1().ConfigMaps(namespace).Update(ctx, growing, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		at, err = strconv.ParseInt(growing.ResourceVersion, 10, 64)
		Expect(err).NotTo(HaveOccurred())
	}
	seen, err := metadata.NewForConfig(s.Config())
	Expect(err).NotTo(HaveOccurred())
	list, err := seen.Resource(install.Resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	return list.ResourceVersion
}
