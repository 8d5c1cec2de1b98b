package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller"
	"github.com/duet-api/duet/shared/controlplane"
)

const name = "db"

func minimal(namespace string, changes ...func(*v1.MySQLInstance)) *v1.MySQLInstance {
	instance := &v1.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1.MySQLInstanceSpec{
			Version: "8.4.3",
			Storage: v1.Storage{VolumeSize: resource.MustParse("1Gi")},
		},
	}
	for _, change := range changes {
		change(instance)
	}
	return instance
}

func withPolicy(policy v1.DeletionPolicy) func(*v1.MySQLInstance) {
	return func(i *v1.MySQLInstance) { i.Spec.DeletionPolicy = policy }
}

// elaborate uses every field that changes a child, with quantities that the API server writes in another way.
func elaborate(i *v1.MySQLInstance) {
	i.Spec.Replicas = new(int32(2))
	i.Spec.Resources = v1.Resources{CPU: new(resource.MustParse("1000m")), Memory: new(resource.MustParse("1024Mi"))}
	i.Spec.Storage.StorageClassName = new("fast")
	i.Spec.Credentials = &v1.Credentials{RootSecretRef: v1.SecretKeyReference{Name: "given", Key: "root"}}
	i.Spec.Parameters = []v1.Parameter{{Name: "max_connections", Value: "500"}}
	i.Spec.TLS = v1.TLS{Mode: v1.TLSRequired, SecretName: new("certificate")}
	i.Spec.Service = v1.Service{Type: v1.ServiceLoadBalancer, Port: new(int32(3307))}
	withBackup(i)
	i.Spec.DeletionPolicy = v1.DeletionDelete
}

func givenSecrets(namespace string) []client.Object {
	return []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "given", Namespace: namespace},
			Data:       map[string][]byte{"root": []byte("secret")},
		},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "certificate", Namespace: namespace},
			Type:       corev1.SecretTypeTLS,
			Data:       map[string][]byte{"tls.crt": []byte("certificate"), "tls.key": []byte("key")},
		},
	}
}

// children of an instance with every kind that it may have.
func children() map[string]client.Object {
	return map[string]client.Object{
		"db-root": &corev1.Secret{}, "db-config": &corev1.ConfigMap{}, "db-primary": &corev1.Service{},
		"db-read": &corev1.Service{}, "db-headless": &corev1.Service{}, "db": &appsv1.StatefulSet{},
	}
}

var _ = Describe("The controller", Ordered, func() {
	It("waits for the API and says so", func(ctx context.Context) {
		Eventually(func() error { return ready(nil) }).WithContext(ctx).Should(MatchError(ContainSubstring("is not served")))
		Expect(admin.Create(ctx, definition())).To(Succeed())
		Eventually(func() error { return ready(nil) }).WithContext(ctx).Should(Succeed())
	})

	Describe("a new instance", func() {
		var namespace string
		BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

		It("gets its children, owned and applied by the controller", func(ctx context.Context) {
			instance := minimal(namespace, withPolicy(v1.DeletionDelete))
			Expect(admin.Create(ctx, instance)).To(Succeed())
			for childName, child := range children() {
				Eventually(get(namespace, childName, child)).WithContext(ctx).Should(
					Satisfy(func(o client.Object) bool { return metav1.IsControlledBy(o, instance) }), childName)
				Expect(child.GetManagedFields()).To(ContainElement(And(
					HaveField("Manager", controller.FieldManager),
					HaveField("Operation", metav1.ManagedFieldsOperationApply))), childName)
			}
			budget := &policyv1.PodDisruptionBudget{}
			Eventually(get(namespace, name, budget)).WithContext(ctx).Should(HaveField("Spec.MaxUnavailable.IntVal", int32(1)))
			Eventually(get(namespace, "data-db-0", &corev1.PersistentVolumeClaim{})).WithContext(ctx).Should(
				HaveField("OwnerReferences", BeEmpty()))
			Eventually(get(namespace, name, instance)).WithContext(ctx).Should(
				HaveField("Finalizers", ConsistOf(controller.VolumesFinalizer)))
		})

		It("is reported as it is: its pod waits for a node", func(ctx context.Context) {
			Expect(admin.Create(ctx, minimal(namespace))).To(Succeed())
			awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "True WaitingForServers")
			for kind, want := range map[string]string{
				v1.ConditionReady: "False WaitingForServers", v1.ConditionAvailable: "False PrimaryNotReady",
				v1.ConditionStorageResized:       "False VolumesPending",
				v1.ConditionConfigurationApplied: "False WaitingForServers",
				v1.ConditionBackupScheduled:      "False NotRequested",
			} {
				awaitCondition(ctx, namespace, name, kind, want)
			}
			instance := &v1.MySQLInstance{}
			Eventually(get(namespace, name, instance)).WithContext(ctx).Should(HaveField("Status.Replicas", int32(1)))
			Expect(instance.Status.ReadyReplicas).To(BeZero())
			Expect(instance.Status.CurrentVersion).To(BeEmpty())
			Expect(instance.Status.Primary).To(BeEmpty())
			Expect(instance.Status.ObservedGeneration).To(Equal(instance.Generation))
			Expect(instance.Status.Endpoint).To(HaveValue(Equal(v1.Endpoint{Host: "db-primary." + namespace + ".svc", Port: 3306})))
			Expect(instance.ManagedFields).To(ContainElement(And(
				HaveField("Manager", controller.FieldManager), HaveField("Subresource", "status"))))
			scaled := &corev1.PodList{}
			selected, err := metav1.ParseToLabelSelector(instance.Status.Selector)
			Expect(err).NotTo(HaveOccurred())
			asSelector, err := metav1.LabelSelectorAsSelector(selected)
			Expect(err).NotTo(HaveOccurred())
			Expect(admin.List(ctx, scaled, client.InNamespace(namespace),
				client.MatchingLabelsSelector{Selector: asSelector})).To(Succeed())
			Expect(scaled.Items).To(HaveLen(1))
		})

		DescribeTable("costs no write once it is settled", func(ctx context.Context, changes ...func(*v1.MySQLInstance)) {
			for _, secret := range givenSecrets(namespace) {
				Expect(admin.Create(ctx, secret)).To(Succeed())
			}
			Expect(admin.Create(ctx, minimal(namespace, changes...))).To(Succeed())
			awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "True WaitingForServers")
			quiet(ctx, namespace, name)
		},
			Entry("with defaults"),
			Entry("with everything", elaborate),
			Entry("with a node port", func(i *v1.MySQLInstance) { i.Spec.Service.Type = v1.ServiceNodePort }),
			Entry("without TLS", func(i *v1.MySQLInstance) { i.Spec.TLS.Mode = v1.TLSDisabled }),
		)

		It("waits for a Secret that is not there, and goes on when it is", func(ctx context.Context) {
			Expect(admin.Create(ctx, minimal(namespace, elaborate))).To(Succeed())
			awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "False SecretNotFound")
			for _, secret := range givenSecrets(namespace) {
				Expect(admin.Create(ctx, secret)).To(Succeed())
			}
			// Well within the minute after which a blocked instance is looked at anyway: the Secrets are watched.
			Eventually(conditionOf(namespace, name, v1.ConditionProgressing)).WithContext(ctx).WithTimeout(30 * time.Second).Should(
				Equal("True WaitingForServers"))
		})

		It("may have a name that no Service could have", func(ctx context.Context) {
			instance := minimal(namespace)
			instance.Name = "1.odd.name"
			Expect(admin.Create(ctx, instance)).To(Succeed())
			awaitCondition(ctx, namespace, instance.Name, v1.ConditionProgressing, "True WaitingForServers")
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "1.odd.name-root"}, &corev1.Secret{})).To(Succeed())
			quiet(ctx, namespace, instance.Name)
		})

		It("does not take over what is somebody else's", func(ctx context.Context) {
			foreign := &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: "db-primary", Namespace: namespace},
				Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
			}
			Expect(admin.Create(ctx, foreign)).To(Succeed())
			Expect(admin.Create(ctx, minimal(namespace))).To(Succeed())
			awaitCondition(ctx, namespace, name, v1.ConditionReady, "False ChildNotOwned")
			after := &corev1.Service{}
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(foreign), after)).To(Succeed())
			Expect(after.ResourceVersion).To(Equal(foreign.ResourceVersion))
		})
	})

	Describe("a running instance", func() {
		var namespace string
		BeforeEach(func(ctx context.Context) {
			namespace = newNamespace(ctx)
			Expect(admin.Create(ctx, minimal(namespace))).To(Succeed())
			awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "True WaitingForServers")
		})

		It("gets a deleted child back", func(ctx context.Context) {
			for childName, child := range children() {
				if childName == "db-root" {
					continue
				}
				Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: childName}, child)).To(Succeed())
				uid := child.GetUID()
				Expect(admin.Delete(ctx, child)).To(Succeed())
				Eventually(get(namespace, childName, child)).WithContext(ctx).Should(
					Satisfy(func(o client.Object) bool { return o.GetUID() != uid }), childName)
			}
			awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "True WaitingForServers")
			quiet(ctx, namespace, name)
		})

		It("has foreign changes of the controller's fields undone, and of other fields left alone", func(ctx context.Context) {
			service := &corev1.Service{}
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "db-primary"}, service)).To(Succeed())
			before := service.DeepCopy()
			service.Spec.Ports[0].Port = 9999
			service.Annotations = map[string]string{"example.com/kept": "yes"}
			Expect(admin.Patch(ctx, service, client.MergeFrom(before))).To(Succeed())
			Eventually(get(namespace, "db-primary", service)).WithContext(ctx).Should(
				HaveField("Spec.Ports", ConsistOf(HaveField("Port", int32(3306)))))
			Expect(service.Annotations).To(HaveKey("example.com/kept"))

			config := &corev1.ConfigMap{}
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "db-config"}, config)).To(Succeed())
			config.Labels = nil // and out of the controller's cache
			Expect(admin.Update(ctx, config)).To(Succeed())
			Eventually(get(namespace, "db-config", config)).WithContext(ctx).Should(
				HaveField("Labels", HaveKeyWithValue(controller.LabelManagedBy, controller.FieldManager)))
			quiet(ctx, namespace, name)
		})

		It("follows changes of its spec", func(ctx context.Context) {
			set := &appsv1.StatefulSet{}
			change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Version = "8.4.4" })
			Eventually(get(namespace, name, set)).WithContext(ctx).Should(
				HaveField("Spec.Template.Spec.Containers", ContainElement(HaveField("Image", "mysql:8.4.4"))))

			config := &corev1.ConfigMap{}
			hash := set.Spec.Template.Annotations
			change(ctx, namespace, name, func(i *v1.MySQLInstance) {
				i.Spec.Parameters = []v1.Parameter{{Name: "max_connections", Value: "77"}}
			})
			Eventually(get(namespace, "db-config", config)).WithContext(ctx).Should(
				HaveField("Data", HaveKeyWithValue("my.cnf", ContainSubstring(`max_connections = "77"`))))
			quiet(ctx, namespace, name)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(set), set)).To(Succeed())
			Expect(set.Spec.Template.Annotations).To(Equal(hash), "a dynamic parameter restarts nothing")
			change(ctx, namespace, name, func(i *v1.MySQLInstance) {
				i.Spec.Parameters = []v1.Parameter{{Name: "back_log", Value: "77"}}
			})
			Eventually(get(namespace, name, set)).WithContext(ctx).ShouldNot(
				HaveField("Spec.Template.Annotations", Equal(hash)), "a static one restarts the servers")

			service := &corev1.Service{}
			for _, to := range []v1.ServiceType{v1.ServiceNodePort, v1.ServiceClusterIP} {
				change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Service.Type = to })
				Eventually(get(namespace, "db-primary", service)).WithContext(ctx).Should(
					HaveField("Spec.Type", corev1.ServiceType(to)))
			}
			change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Service.Port = new(int32(4406)) })
			Eventually(get(namespace, name, &v1.MySQLInstance{})).WithContext(ctx).Should(
				HaveField("Status.Endpoint", HaveValue(HaveField("Port", int32(4406)))))
			quiet(ctx, namespace, name)
		})

		It("keeps its volume while it is stopped", func(ctx context.Context) {
			change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerStopped })
			awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "False Settled")
			awaitCondition(ctx, namespace, name, v1.ConditionAvailable, "False Stopped")
			Eventually(gone(namespace, "db-0", &corev1.Pod{})).WithContext(ctx).Should(BeTrue())
			claim := &corev1.PersistentVolumeClaim{}
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "data-db-0"}, claim)).To(Succeed())
			change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerRunning })
			Eventually(get(namespace, "db-0", &corev1.Pod{})).WithContext(ctx).Should(Not(BeNil()))
		})
	})

	Describe("an instance whose servers run", serverSpecs)

	Describe("a deleted instance", func() {
		var namespace string
		BeforeEach(func(ctx context.Context) { namespace = newNamespace(ctx) })

		create := func(ctx context.Context, policy v1.DeletionPolicy) *v1.MySQLInstance {
			GinkgoHelper()
			instance := minimal(namespace, withPolicy(policy))
			Expect(admin.Create(ctx, instance)).To(Succeed())
			Eventually(get(namespace, "data-db-0", &corev1.PersistentVolumeClaim{})).WithContext(ctx).Should(Not(BeNil()))
			return instance
		}

		DescribeTable("takes its volumes and everything else along with deletionPolicy Delete",
			func(ctx context.Context, propagation metav1.DeletionPropagation) {
				instance := create(ctx, v1.DeletionDelete)
				Expect(admin.Delete(ctx, instance, client.PropagationPolicy(propagation))).To(Succeed())
				Eventually(gone(namespace, name, instance)).WithContext(ctx).Should(BeTrue())
				// The instance waited for its volume; the rest is the garbage collector's.
				Expect(gone(namespace, "data-db-0", &corev1.PersistentVolumeClaim{})(ctx)).To(BeTrue())
				for childName, child := range children() {
					Eventually(gone(namespace, childName, child)).WithContext(ctx).Should(BeTrue(), childName)
				}
			},
			Entry("in the background", metav1.DeletePropagationBackground),
			Entry("in the foreground", metav1.DeletePropagationForeground),
		)

		DescribeTable("leaves its volumes and their password behind with deletionPolicy Retain, for the next of its name",
			func(ctx context.Context, propagation metav1.DeletionPropagation) {
				instance := create(ctx, v1.DeletionRetain)
				before := &corev1.Secret{}
				Eventually(get(namespace, "db-root", before)).WithContext(ctx).Should(Not(BeNil()))
				claim := &corev1.PersistentVolumeClaim{}
				Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "data-db-0"}, claim)).To(Succeed())
				uid := claim.UID
				Expect(admin.Delete(ctx, instance, client.PropagationPolicy(propagation))).To(Succeed())
				Eventually(gone(namespace, name, instance)).WithContext(ctx).Should(BeTrue())
				for childName, child := range children() {
					if childName != "db-root" {
						Eventually(gone(namespace, childName, child)).WithContext(ctx).Should(BeTrue(), childName)
					}
				}

				create(ctx, v1.DeletionRetain)
				awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "True WaitingForServers")
				after := &corev1.Secret{}
				Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "db-root"}, after)).To(Succeed())
				Expect(after.UID).To(Equal(before.UID))
				Expect(after.Data).To(Equal(before.Data))
				Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "data-db-0"}, claim)).To(Succeed())
				Expect(claim.UID).To(Equal(uid))
			},
			Entry("in the background", metav1.DeletePropagationBackground),
			Entry("in the foreground", metav1.DeletePropagationForeground),
		)

		It("does not hold its namespace", func(ctx context.Context) {
			create(ctx, v1.DeletionDelete)
			Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
			Eventually(gone("", namespace, &corev1.Namespace{})).WithContext(ctx).Should(BeTrue())
		})
	})

	Describe("an instance with backups", backupSpecs)

	// These take the API away, and come last.
	Describe("an API that goes away", func() {
		It("and comes back is used again, with nothing lost", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			Expect(admin.Create(ctx, minimal(namespace))).To(Succeed())
			awaitCondition(ctx, namespace, name, v1.ConditionProgressing, "True WaitingForServers")
			set := &appsv1.StatefulSet{}
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, set)).To(Succeed())
			uid := set.UID

			Expect(plane.Runner().Restart(ctx, controlplane.APIServer)).To(Succeed())
			Eventually(func(ctx context.Context) error {
				return admin.List(ctx, &v1.MySQLInstanceList{})
			}).WithContext(ctx).Should(Succeed())
			change(ctx, namespace, name, func(i *v1.MySQLInstance) { i.Spec.Replicas = new(int32(3)) })
			Eventually(get(namespace, name, set)).WithContext(ctx).WithTimeout(2 * time.Minute).Should(
				HaveField("Spec.Replicas", HaveValue(Equal(int32(3)))))
			Expect(set.UID).To(Equal(uid))
		}, NodeTimeout(4*time.Minute))

		It("and is installed anew is used again", func(ctx context.Context) {
			crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "mysqlinstances.mysql.example.com"}}
			Expect(admin.Delete(ctx, crd)).To(Succeed())
			Eventually(gone("", crd.Name, crd)).WithContext(ctx).Should(BeTrue())
			Expect(admin.Create(ctx, definition())).To(Succeed())
			namespace := newNamespace(ctx)
			Eventually(func(ctx context.Context) error {
				return client.IgnoreAlreadyExists(admin.Create(ctx, minimal(namespace)))
			}).WithContext(ctx).Should(Succeed())
			Eventually(conditionOf(namespace, name, v1.ConditionProgressing)).WithContext(ctx).WithTimeout(2 * time.Minute).Should(
				Equal("True WaitingForServers"))
		}, NodeTimeout(4*time.Minute))
	})
})
