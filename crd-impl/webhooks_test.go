package crdimpl_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	crdimpl "github.com/duet-api/duet/crd-impl"
)

var _ = Describe("Profile webhooks", func() {
	Describe("conversion", func() {
		It("shows what is written in v1alpha1 in v1, and the other way round", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			create(ctx, namespace, instance("v1alpha1", "flat",
				`{readReplicas: 2, config: {max_connections: "200"}, maintenanceWindow: "Sun:03:00-Sun:04:30", paused: true}`))
			nested, err := in("v1", namespace).Get(ctx, "flat", metav1.GetOptions{})
			Expect(err).NotTo(HaveOccurred())
			Expect(at(nested, "spec.replicas")).To(BeEquivalentTo(3))
			Expect(at(nested, "spec.storage.size")).To(Equal("10Gi"))
			Expect(at(nested, "spec.powerState")).To(Equal("Stopped"))
			Expect(at(nested, "spec.parameters")).To(ConsistOf(HaveKeyWithValue("name", "max_connections")))
			Expect(at(nested, "spec.maintenanceWindow")).To(And(HaveKeyWithValue("day", "Sunday"),
				HaveKeyWithValue("startTime", "03:00"), HaveKeyWithValue("durationMinutes", BeEquivalentTo(90))))

			_, err = merge(ctx, "v1", namespace, "flat", `{"spec":{"replicas":5,"powerState":"Running"}}`)
			Expect(err).NotTo(HaveOccurred())
			flat, err := in("v1alpha1", namespace).Get(ctx, "flat", metav1.GetOptions{})
			Expect(err).NotTo(HaveOccurred())
			Expect(at(flat, "spec.readReplicas")).To(BeEquivalentTo(4))
			Expect(at(flat, "spec.paused")).To(BeFalse())
		})

		It("loses nothing that v1alpha1 cannot say", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			created := create(ctx, namespace, instance("v1", "exact",
				`{storage: {size: 10500Mi}, resources: {cpu: 1300m, memory: 3Gi}, service: {type: NodePort}}`))
			_, err := merge(ctx, "v1alpha1", namespace, "exact", `{"spec":{"readReplicas":3}}`)
			Expect(err).NotTo(HaveOccurred())
			after, err := in("v1", namespace).Get(ctx, "exact", metav1.GetOptions{})
			Expect(err).NotTo(HaveOccurred())
			Expect(at(after, "spec.replicas")).To(BeEquivalentTo(4))
			for _, path := range []string{"spec.storage", "spec.resources", "spec.service"} {
				Expect(at(after, path)).To(Equal(at(created, path)), path)
			}
			Expect(after.GetAnnotations()).To(BeEmpty(), "what v1alpha1 carried is no part of v1")
		})

		It("converts a list at once", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			const many = 30
			for i := range many {
				create(ctx, namespace, instance([]string{"v1", "v1alpha1"}[i%2], fmt.Sprintf("i-%02d", i), "{}"))
			}
			for _, version := range []string{"v1", "v1alpha1"} {
				list, err := in(version, namespace).List(ctx, metav1.ListOptions{})
				Expect(err).NotTo(HaveOccurred())
				Expect(list.Items).To(HaveLen(many))
				for i := range list.Items {
					Expect(list.Items[i].GroupVersionKind().Version).To(Equal(version))
					Expect(list.Items[i].GetName()).To(Equal(fmt.Sprintf("i-%02d", i)))
				}
			}
		})

		It("lets nobody forge or erase a status that v1alpha1 only carries", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			create(ctx, namespace, instance("v1", "owned", "{}"))
			_, err := merge(ctx, "v1", namespace, "owned",
				`{"status":{"primary":"owned-0","replicas":1,"readyReplicas":1}}`, "status")
			Expect(err).NotTo(HaveOccurred())
			for _, annotation := range []string{`"{\"status.primary\":\"mine\"}"`, `"{}"`, `null`} {
				_, err = merge(ctx, "v1alpha1", namespace, "owned",
					`{"metadata":{"annotations":{"mysql.example.com/v1-fields":`+annotation+`}}}`)
				Expect(err).NotTo(HaveOccurred())
				after, err := in("v1", namespace).Get(ctx, "owned", metav1.GetOptions{})
				Expect(err).NotTo(HaveOccurred())
				Expect(at(after, "status.primary")).To(Equal("owned-0"), annotation)
			}
		})

		It("takes part in server-side apply across versions", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			options := metav1.ApplyOptions{FieldManager: "flat"}
			_, err := in("v1alpha1", namespace).Apply(ctx, "applied", instance("v1alpha1", "applied", "{readReplicas: 1}"), options)
			Expect(err).NotTo(HaveOccurred())
			options.FieldManager = "nested"
			_, err = in("v1", namespace).Apply(ctx, "applied", instance("v1", "applied", "{replicas: 7}"), options)
			Expect(err).To(MatchError(apierrors.IsConflict, "IsConflict"))
		})
	})

	Describe("defaulting", func() {
		It("gives a schedule its retention, and takes it away with the schedule", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			created := create(ctx, namespace, instance("v1alpha1", "daily", `{backupSchedule: "@daily", backupStorageGB: 5}`))
			Expect(at(created, "spec.backupRetentionDays")).To(BeEquivalentTo(7))
			changed, err := merge(ctx, "v1alpha1", namespace, "daily", `{"spec":{"backupSchedule":null,"backupStorageGB":null}}`)
			Expect(err).NotTo(HaveOccurred())
			Expect(at(changed, "spec.backupRetentionDays")).To(BeNil())
		})

		It("keeps a retention that is given", func(ctx context.Context) {
			created := create(ctx, newNamespace(ctx), instance("v1alpha1", "daily",
				`{backupSchedule: "@daily", backupStorageGB: 5, backupRetentionDays: 30}`))
			Expect(at(created, "spec.backupRetentionDays")).To(BeEquivalentTo(30))
		})
	})

	DescribeTable("validation names the field in the version that was written",
		func(ctx context.Context, version, spec, wantField string) {
			_, err := in(version, newNamespace(ctx)).Create(ctx, instance(version, "refused", spec), metav1.CreateOptions{})
			Expect(err).To(MatchError(apierrors.IsInvalid, "IsInvalid"))
			var status apierrors.APIStatus
			Expect(errors.As(err, &status)).To(BeTrue())
			Expect(status.Status().Code).To(BeEquivalentTo(http.StatusUnprocessableEntity))
			var fields []string
			for _, cause := range status.Status().Details.Causes {
				fields = append(fields, cause.Field)
			}
			Expect(fields).To(ContainElement(wantField), err.Error())
		},
		Entry("the schema, v1", "v1", "{replicas: 10}", "spec.replicas"),
		Entry("the schema, v1alpha1", "v1alpha1", "{readReplicas: 9}", "spec.readReplicas"),
		Entry("the schema, a string that does not parse", "v1alpha1", "{maintenanceWindow: whenever}", "spec.maintenanceWindow"),
		Entry("CEL, v1", "v1", "{tls: {mode: Required}}", "spec.tls.secretName"),
		Entry("CEL, v1alpha1", "v1alpha1", "{sslMode: REQUIRED}", "spec.sslSecret"),
		Entry("Go, v1", "v1", "{parameters: [{name: datadir, value: /tmp}]}", "spec.parameters[0].name"),
		Entry("Go, v1alpha1", "v1alpha1", "{config: {datadir: /tmp}}", "spec.config[datadir]"),
		Entry("Go, what v1 has no place for", "v1alpha1", "{instanceClass: custom}", "spec.instanceClass"),
		Entry("Go, half a backup", "v1alpha1", "{backupStorageGB: 5}", "spec.backupStorageGB"),
		Entry("Go, a schedule", "v1", "{backup: {schedule: often, storage: {size: 5Gi}}}", "spec.backup.schedule"),
		Entry("Go, a schedule, v1alpha1", "v1alpha1", "{backupSchedule: often, backupStorageGB: 5}", "spec.backupSchedule"),
		Entry("a Secret, v1", "v1", "{credentials: {rootSecretRef: {name: gone}}}", "spec.credentials.rootSecretRef.name"),
		Entry("a Secret, v1alpha1", "v1alpha1", "{rootPasswordSecret: gone/password}", "spec.rootPasswordSecret"),
		Entry("a TLS Secret, v1", "v1", "{tls: {mode: Required, secretName: gone}}", "spec.tls.secretName"),
		Entry("a TLS Secret, v1alpha1", "v1alpha1", "{sslMode: REQUIRED, sslSecret: gone}", "spec.sslSecret"),
		Entry("a StorageClass, v1", "v1", "{storage: {size: 10Gi, storageClassName: gone}}", "spec.storage.storageClassName"),
		Entry("a StorageClass, v1alpha1", "v1alpha1", "{storageClass: gone}", "spec.storageClass"),
		// The webhooks see these before the schema does, and must leave them to it.
		Entry("a wrong type", "v1alpha1", "{backupSchedule: 5}", "spec.backupSchedule"),
		Entry("a wrong type beside a missing default", "v1alpha1", `{backupSchedule: "@daily", storageGB: much}`, "spec.storageGB"),
	)

	It("leaves a spec that is no object to the schema", func(ctx context.Context) {
		broken := instance("v1alpha1", "broken", "{}")
		broken.Object["spec"] = "none"
		_, err := in("v1alpha1", newNamespace(ctx)).Create(ctx, broken, metav1.CreateOptions{})
		Expect(err).To(MatchError(apierrors.IsInvalid, "IsInvalid"))
		Expect(err).To(MatchError(ContainSubstring("spec")))
	})

	Describe("look-ups", func() {
		secret := func(ctx context.Context, namespace, name string) {
			GinkgoHelper()
			_, err := cluster.CoreV1().Secrets(namespace).Create(ctx, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"password": "x"},
			}, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
		}

		It("see a Secret that was created just before", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			secret(ctx, namespace, "root")
			create(ctx, namespace, instance("v1alpha1", "served", "{rootPasswordSecret: root/password}"))
		})

		It("do not hold up another change when the Secret is deleted later", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			secret(ctx, namespace, "root")
			create(ctx, namespace, instance("v1", "served", "{credentials: {rootSecretRef: {name: root}}}"))
			Expect(cluster.CoreV1().Secrets(namespace).Delete(ctx, "root", metav1.DeleteOptions{})).To(Succeed())
			_, err := merge(ctx, "v1", namespace, "served", `{"spec":{"replicas":2}}`)
			Expect(err).NotTo(HaveOccurred())
			_, err = merge(ctx, "v1alpha1", namespace, "served", `{"spec":{"paused":true}}`)
			Expect(err).NotTo(HaveOccurred())
		})

		It("let a volume grow only where its class allows it", func(ctx context.Context) {
			namespace := newNamespace(ctx)
			for name, expands := range map[string]bool{"elastic-" + namespace: true, "rigid-" + namespace: false} {
				_, err := cluster.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
					ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "example.com/none", AllowVolumeExpansion: ptr.To(expands),
				}, metav1.CreateOptions{})
				Expect(err).NotTo(HaveOccurred())
				DeferCleanup(func(ctx context.Context) {
					Expect(cluster.StorageV1().StorageClasses().Delete(ctx, name, metav1.DeleteOptions{})).To(Succeed())
				})
				create(ctx, namespace, instance("v1", name, fmt.Sprintf("{storage: {size: 10Gi, storageClassName: %s}}", name)))
			}
			_, err := merge(ctx, "v1", namespace, "elastic-"+namespace, `{"spec":{"storage":{"size":"20Gi"}}}`)
			Expect(err).NotTo(HaveOccurred())
			_, err = merge(ctx, "v1", namespace, "rigid-"+namespace, `{"spec":{"storage":{"size":"20Gi"}}}`)
			Expect(err).To(MatchError(apierrors.IsInvalid, "IsInvalid"))
			Expect(err).To(MatchError(ContainSubstring("spec.storage.size: Forbidden")))
			_, err = merge(ctx, "v1alpha1", namespace, "rigid-"+namespace, `{"spec":{"storageGB":20}}`)
			Expect(err).To(MatchError(ContainSubstring("spec.storageGB: Forbidden")))
		})

		It("are made with no more rights than they need", func(ctx context.Context) {
			config, err := clientcmd.BuildConfigFromFlags("", env.KubeconfigFile(crdimpl.ServerName))
			Expect(err).NotTo(HaveOccurred())
			server, err := kubernetes.NewForConfig(config)
			Expect(err).NotTo(HaveOccurred())
			allowed := func(group, verb, resource string) bool {
				GinkgoHelper()
				review, err := server.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
					Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
						Namespace: "default", Group: group, Verb: verb, Resource: resource,
					}},
				}, metav1.CreateOptions{})
				Expect(err).NotTo(HaveOccurred())
				return review.Status.Allowed
			}
			Expect(allowed("", "get", "secrets")).To(BeTrue())
			Expect(allowed("storage.k8s.io", "list", "storageclasses")).To(BeTrue())
			for _, verb := range []string{"list", "watch", "create", "update", "patch", "delete"} {
				Expect(allowed("", verb, "secrets")).To(BeFalse(), verb)
			}
			for _, resource := range []string{"pods", "configmaps", "serviceaccounts"} {
				Expect(allowed("", "get", resource)).To(BeFalse(), resource)
			}
			Expect(allowed("mysql.example.com", "get", "mysqlinstances")).To(BeFalse())
		})
	})

	It("warns, and the API server adds that v1alpha1 is deprecated", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		warned.take()
		create(ctx, namespace, instance("v1", "bare", "{}"))
		Expect(warned.take()).To(ContainElement(ContainSubstring("backup")))
		create(ctx, namespace, instance("v1alpha1", "flat", "{}"))
		Expect(warned.take()).To(ContainElements(ContainSubstring("backup"), ContainSubstring("v1alpha1 MySQLInstance is deprecated")))
	})

	It("changes nothing in a dry run, and validates it all the same", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
		_, err := in("v1", namespace).Create(ctx, instance("v1", "dry", "{}"), dry)
		Expect(err).NotTo(HaveOccurred())
		_, err = in("v1", namespace).Get(ctx, "dry", metav1.GetOptions{})
		Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
		_, err = in("v1", namespace).Create(ctx, instance("v1", "dry", "{tls: {secretName: gone}}"), dry)
		Expect(err).To(MatchError(apierrors.IsInvalid, "IsInvalid"))
	})
})
