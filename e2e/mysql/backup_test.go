package mysql_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/backup"
	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/names"
)

// encryptionSpecs make clients, and replicas, encrypt.
func encryptionSpecs(s *stage) {
	It("replicate over TLS when nothing else is let in", func(ctx context.Context) {
		ca, err := certs.NewCA("servers")
		Expect(err).NotTo(HaveOccurred())
		certificate, key, err := ca.IssueServing("db-primary")
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "certificate"},
			Type:       corev1.SecretTypeTLS,
			Data:       map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
		})).To(Succeed())
		s.edit(ctx, func(spec *v1.MySQLInstanceSpec) {
			spec.TLS = v1.TLS{Mode: v1.TLSRequired, SecretName: new("certificate")}
		})
		s.awaitReady(ctx)
		s.replicates(ctx, 2, 70)
		Expect(s.query(1, "SELECT @@GLOBAL.require_secure_transport")(ctx)).To(Equal("1"))
		password, err := s.rootPassword(ctx)
		Expect(err).NotTo(HaveOccurred())
		db, err := s.connect(ctx, 0, "root", password, unencrypted)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(db.Close)
		// Each server says it with an error of its own.
		Expect(db.PingContext(ctx)).NotTo(Succeed(), "a session in the clear was let in")
	}, NodeTimeout(4*time.Minute))
}

// backupSpecs lose the data and get it back, with the scripts of the pods and the programs of this machine.
func backupSpecs(s *stage) {
	// runs a Job to its end.
	runs := func(ctx context.Context, job *batchv1.Job) {
		GinkgoHelper()
		Expect(s.Create(ctx, job)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(s.Get(ctx, client.ObjectKeyFromObject(job), job)).To(Succeed())
			g.Expect(job.Status.Failed).To(BeZero(), "the Job failed: see the log of its pod")
			g.Expect(job.Status.Succeeded).To(BeEquivalentTo(1))
		}).WithContext(ctx).Should(Succeed())
	}

	It("are backed up, and restored to all of them", func(ctx context.Context) {
		s.edit(ctx, func(spec *v1.MySQLInstanceSpec) {
			spec.Backup = &v1.Backup{Schedule: "0 3 1 1 *", Storage: v1.Storage{VolumeSize: resource.MustParse("1Gi")}}
		})
		cronJob := &batchv1.CronJob{}
		Eventually(func() error {
			return s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: names.Backup(instanceName)}, cronJob)
		}).WithContext(ctx).Should(Succeed())
		rows, err := s.rows(0)(ctx)
		Expect(err).NotTo(HaveOccurred())

		runs(ctx, backup.Job(cronJob, "db-backup-now"))
		Eventually(func(g Gomega) {
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(instance.Status.LastBackupTime).NotTo(BeNil())
		}).WithContext(ctx).Should(Succeed())
		s.exec(ctx, 0, "DROP DATABASE shop", "DROP USER 'app'@'%'")

		restore := backup.Job(cronJob, "db-restore")
		restore.OwnerReferences = nil
		restore.Spec.Template.Spec.Containers[0].Command = []string{"bash", "/scripts/restore.sh"}
		runs(ctx, restore)
		for ordinal := range 3 {
			Eventually(s.rows(ordinal)).WithContext(ctx).Should(Equal(rows), "the rows of server %d", ordinal)
		}
		db, err := s.connect(ctx, 0, "app", "app-password")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(db.Close)
		Expect(db.PingContext(ctx)).To(Succeed())
		s.replicates(ctx, 2, 80)
		s.awaitReady(ctx)
	}, NodeTimeout(4*time.Minute))
}
