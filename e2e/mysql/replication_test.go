package mysql_test

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/install"
)

// words of a statement, which differ between the servers.
func words(ofMySQL, ofMariaDB string) string {
	if program.MariaDB() {
		return ofMariaDB
	}
	return ofMySQL
}

// replicationSpecs show what is set up, and how it is reported.
func replicationSpecs(s *stage) {
	It("replicate what is written at the primary", func(ctx context.Context) {
		s.exec(ctx, 0, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY)",
			"CREATE USER 'app'@'%' IDENTIFIED BY 'app-password'", "GRANT ALL ON shop.* TO 'app'@'%'")
		s.replicates(ctx, 1, 1)
		s.await(ctx, v1.ConditionReplicating, "True Following: 1 of 1 replicas follow pod db-0")
	})

	It("refuse writes at a replica, and serve reads there", func(ctx context.Context) {
		Eventually(s.role(1)).WithContext(ctx).Should(Equal("replica"))
		Expect(s.role(0)(ctx)).To(BeEmpty())
		for ordinal, outcome := range []string{"accepted", "refused"} {
			db, err := s.connect(ctx, ordinal, "app", "app-password")
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(db.Close)
			var count int
			Expect(db.QueryRowContext(ctx, "SELECT COUNT(*) FROM shop.orders").Scan(&count)).To(Succeed())
			Expect(count).To(Equal(1))
			_, err = db.ExecContext(ctx, "INSERT INTO shop.orders VALUES (1) ON DUPLICATE KEY UPDATE id = id")
			if outcome == "accepted" {
				Expect(err).NotTo(HaveOccurred())
			} else {
				Expect(err).To(MatchError(ContainSubstring("read-only")))
			}
		}
	})

	It("report a replica that falls behind, and take it out of the read Service", func(ctx context.Context) {
		holder, err := s.rootPassword(ctx)
		Expect(err).NotTo(HaveOccurred())
		db, err := s.connect(ctx, 1, "root", holder)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(db.Close)
		lock, err := db.Conn(ctx)
		Expect(err).NotTo(HaveOccurred())
		_, err = lock.ExecContext(ctx, "LOCK TABLES shop.orders READ")
		Expect(err).NotTo(HaveOccurred())
		s.exec(ctx, 0, "INSERT INTO shop.orders VALUES (2)")

		s.await(ctx, v1.ConditionReplicating, "False ReplicaLagging: pod db-1 is more than 30s behind the primary")
		s.await(ctx, v1.ConditionReady, "False ReplicaLagging")
		Eventually(s.role(1)).WithContext(ctx).Should(BeEmpty())
		Expect(s.metric(ctx, "duet_controller_replication_lag_seconds", "db-1")).To(BeNumerically(">", 30))
		Expect(s.metric(ctx, "duet_controller_replica_healthy", "db-1")).To(BeZero())

		_, err = lock.ExecContext(ctx, "UNLOCK TABLES")
		Expect(err).NotTo(HaveOccurred())
		s.awaitReady(ctx)
		Eventually(s.role(1)).WithContext(ctx).Should(Equal("replica"))
		s.replicates(ctx, 1, 3)
		Eventually(func() (float64, error) { return s.metric(ctx, "duet_controller_replica_healthy", "db-1") }).
			WithContext(ctx).Should(BeEquivalentTo(1))
	})

	It("say how they are through the API, on the form whose own code answers there", func(ctx context.Context) {
		instance, err := s.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		metrics := &v1.MySQLInstanceMetrics{}
		err = s.SubResource("metrics").Get(ctx, instance, metrics)
		if s.site.Form.Name() == install.CRD { // which has no subresources but status and scale
			Expect(err).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
			return
		}
		Expect(err).NotTo(HaveOccurred())
		Expect(metrics.Servers).To(HaveLen(2))
		for ordinal, server := range metrics.Servers {
			Expect(server.Error).To(BeEmpty())
			told, err := s.query(ordinal, "SELECT VARIABLE_VALUE FROM "+
				words("performance_schema.global_status", "information_schema.GLOBAL_STATUS")+" WHERE VARIABLE_NAME = 'Queries'")(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(strconv.ParseInt(told, 10, 64)).To(BeNumerically(">", *server.Queries), "the server's own count goes on")
			Expect(*server.Connections).To(BeNumerically(">", 0))
		}
		Expect(metrics.Servers[0].ReplicationLagSeconds).To(BeNil())
		Expect(metrics.Servers[1].ReplicationLagSeconds).To(HaveValue(BeZero()))
	})

	It("are not written to once nothing is left to do", func(ctx context.Context) {
		s.awaitReady(ctx)
		Eventually(func(g Gomega) {
			instance, err := s.instance(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			pod, err := s.pod(ctx, 1)
			g.Expect(err).NotTo(HaveOccurred())
			g.Consistently(func(g Gomega) {
				later, err := s.instance(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(later.ResourceVersion).To(Equal(instance.ResourceVersion))
				laterPod, err := s.pod(ctx, 1)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(laterPod.ResourceVersion).To(Equal(pod.ResourceVersion))
			}).WithTimeout(20 * time.Second).WithPolling(time.Second).Should(Succeed())
		}).WithContext(ctx).WithTimeout(2 * time.Minute).Should(Succeed())
	}, NodeTimeout(3*time.Minute))
}

// repairSpecs break replication in every way that one can think of.
func repairSpecs(s *stage) {
	stop, start := words("STOP REPLICA", "STOP SLAVE"), words("START REPLICA", "START SLAVE")

	It("go on after somebody stopped replication", func(ctx context.Context) {
		s.exec(ctx, 1, stop)
		s.replicates(ctx, 1, 10)
		s.awaitReady(ctx)
	})

	It("go back to the primary after somebody gave a replica another source", func(ctx context.Context) {
		s.meddle(ctx, 1, stop, words("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.99.99.99'",
			"CHANGE MASTER TO MASTER_HOST = '127.99.99.99'"), start)
		s.nudge(ctx)
		s.replicates(ctx, 1, 11)
		s.awaitReady(ctx)
	})

	It("go back to the primary after somebody made a replica a server of its own", func(ctx context.Context) {
		s.meddle(ctx, 1, stop, words("RESET REPLICA ALL", "RESET SLAVE ALL"), "SET GLOBAL read_only = OFF")
		s.nudge(ctx)
		s.replicates(ctx, 1, 12)
		Eventually(s.query(1, "SELECT @@GLOBAL.read_only")).WithContext(ctx).Should(Equal("1"))
		s.awaitReady(ctx)
	})

	It("make the primary writable again", func(ctx context.Context) {
		s.exec(ctx, 0, "SET GLOBAL read_only = ON")
		s.nudge(ctx)
		Eventually(s.query(0, "SELECT @@GLOBAL.read_only")).WithContext(ctx).Should(Equal("0"))
		s.replicates(ctx, 1, 13)
	})

	It("get the replication account's password right again", func(ctx context.Context) {
		s.exec(ctx, 0, "SET sql_log_bin = 0", "ALTER USER 'duet_replication'@'%' IDENTIFIED BY 'wrong'")
		s.exec(ctx, 1, stop, start)
		s.nudge(ctx)
		s.replicates(ctx, 1, 14)
		s.awaitReady(ctx)
	})

	It("make a replica anew that cannot apply what the primary wrote", func(ctx context.Context) {
		s.exec(ctx, 1, "SET sql_log_bin = 0", words("SET GLOBAL super_read_only = OFF", "SELECT 1"),
			"INSERT INTO shop.orders VALUES (20)")
		s.exec(ctx, 0, "INSERT INTO shop.orders VALUES (20)")
		s.replicates(ctx, 1, 21)
		s.awaitReady(ctx)
		Expect(s.metric(ctx, "duet_controller_replication_steps_total", "wipe")).To(BeNumerically(">=", 1))
	})

	It("leave alone what only a replica has, and say so", func(ctx context.Context) {
		s.exec(ctx, 1, words("SET GLOBAL super_read_only = OFF", "SELECT 1"), "CREATE DATABASE precious",
			"CREATE TABLE precious.t (id INT PRIMARY KEY)", "INSERT INTO precious.t VALUES (1)")
		s.nudge(ctx)
		s.await(ctx, v1.ConditionReplicating, "False ReplicaDiverged: pod db-1 has transactions that the primary does not have")
		Eventually(s.role(1)).WithContext(ctx).Should(BeEmpty())
		Consistently(s.query(1, "SELECT COUNT(*) FROM precious.t")).WithContext(ctx).WithTimeout(5 * time.Second).
			WithPolling(time.Second).Should(Equal("1"))
		// What the message asks for.
		s.exec(ctx, 1, words("SET GLOBAL super_read_only = OFF", "SELECT 1"), "DROP DATABASE precious", "DROP DATABASE shop")
		s.nudge(ctx)
		s.replicates(ctx, 1, 22)
		s.awaitReady(ctx)
	})

	It("make a replica anew whose volume was thrown away", func(ctx context.Context) {
		pod, err := s.pod(ctx, 1)
		Expect(err).NotTo(HaveOccurred())
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "data-db-1"}}
		Expect(s.Delete(ctx, claim)).To(Succeed())
		Expect(s.Delete(ctx, pod)).To(Succeed())
		Eventually(func(g Gomega) {
			later, err := s.pod(ctx, 1)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(later.UID).NotTo(Equal(pod.UID))
		}).WithContext(ctx).Should(Succeed())
		s.awaitReady(ctx)
		s.replicates(ctx, 1, 23)
	})

	It("follow the primary to the address of its new pod", func(ctx context.Context) {
		pod, err := s.pod(ctx, 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Delete(ctx, pod)).To(Succeed())
		Eventually(func(g Gomega) {
			later, err := s.pod(ctx, 0)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(later.UID).NotTo(Equal(pod.UID))
		}).WithContext(ctx).Should(Succeed())
		s.awaitReady(ctx)
		s.replicates(ctx, 1, 24)
	})

	It("are told of when they do not answer, and looked after again when they do", func(ctx context.Context) {
		pod, err := s.pod(ctx, 1)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.site.Plane.Runner().Pause(ctx, processOf(pod))).To(Succeed())
		s.nudge(ctx)
		s.await(ctx, v1.ConditionReplicating, "False ServersUnreachable: pod db-1 could not be reached")
		Expect(s.as(ctx, 0, func(db *sql.DB) error { return db.PingContext(ctx) })).To(Succeed())
		Expect(s.site.Plane.Runner().Resume(ctx, processOf(pod))).To(Succeed())
		s.nudge(ctx)
		s.awaitReady(ctx)
		s.replicates(ctx, 1, 25)
	})

	It("come back after a crash", func(ctx context.Context) {
		for ordinal := range 2 {
			pod, err := s.pod(ctx, ordinal)
			Expect(err).NotTo(HaveOccurred())
			Expect(s.site.Plane.Runner().Kill(ctx, processOf(pod))).To(Succeed())
			Eventually(func(g Gomega) {
				later, err := s.pod(ctx, ordinal)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(later.Status.ContainerStatuses[0].RestartCount).To(BeEquivalentTo(1))
				g.Expect(later.Status.ContainerStatuses[0].Ready).To(BeTrue())
			}).WithContext(ctx).Should(Succeed())
			s.replicates(ctx, 1, 30+ordinal)
			s.awaitReady(ctx)
		}
	})
}
