package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/e2e/behaviour"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller"
	"github.com/duet-api/duet/shared/names"
)

const (
	instanceName = "db"
	// roleLabel is what the read Service selects.
	roleLabel = "mysql.example.com/role"
)

// stage is a namespace with one instance of two servers, and what its users do there.
type stage struct {
	client.Client
	site      *behaviour.Site
	namespace string
}

// open makes the instance and waits until it is Ready.
func (s *stage) open(ctx context.Context, site *behaviour.Site) {
	GinkgoHelper()
	var err error
	s.site = site
	s.Client, err = client.New(site.Config(), client.Options{Scheme: controller.NewScheme()})
	Expect(err).NotTo(HaveOccurred())
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "mysql-"}}
	Expect(s.Create(ctx, namespace)).To(Succeed())
	s.namespace = namespace.Name
	Expect(s.Create(ctx, &v1.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: instanceName},
		Spec: v1.MySQLInstanceSpec{
			Version: "8.4.3", Replicas: new(int32(2)),
			Storage:   v1.Storage{VolumeSize: resource.MustParse("1Gi")},
			Resources: v1.Resources{CPU: new(resource.MustParse("100m")), Memory: new(resource.MustParse("64Mi"))},
		},
	})).To(Succeed())
	s.awaitReady(ctx)
}

func (s *stage) instance(ctx context.Context) (*v1.MySQLInstance, error) {
	instance := &v1.MySQLInstance{}
	return instance, s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: instanceName}, instance)
}

// edit changes the instance as its user.
func (s *stage) edit(ctx context.Context, change func(*v1.MySQLInstanceSpec)) {
	GinkgoHelper()
	instance, err := s.instance(ctx)
	Expect(err).NotTo(HaveOccurred())
	before := instance.DeepCopy()
	change(&instance.Spec)
	Expect(s.Patch(ctx, instance, client.MergeFrom(before))).To(Succeed())
}

// nudge makes the controller look at the instance now, and not only within its 15 s.
func (s *stage) nudge(ctx context.Context) {
	GinkgoHelper()
	instance, err := s.instance(ctx)
	Expect(err).NotTo(HaveOccurred())
	before := instance.DeepCopy()
	metav1.SetMetaDataAnnotation(&instance.ObjectMeta, "example.com/nudge", time.Now().Format(time.RFC3339Nano))
	Expect(s.Patch(ctx, instance, client.MergeFrom(before))).To(Succeed())
}

// condition of the newest generation, as "Status Reason: message".
func (s *stage) condition(kind string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		instance, err := s.instance(ctx)
		if err != nil {
			return "", err
		}
		c := meta.FindStatusCondition(instance.Status.Conditions, kind)
		if c == nil || c.ObservedGeneration != instance.Generation {
			return "", fmt.Errorf("there is no %s of generation %d yet", kind, instance.Generation)
		}
		return fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message), nil
	}
}

// await waits until a condition begins with a text: "Status Reason".
func (s *stage) await(ctx context.Context, kind, beginning string) {
	GinkgoHelper()
	Eventually(s.condition(kind)).WithContext(ctx).WithTimeout(90*time.Second).Should(HavePrefix(beginning), kind)
}

// awaitReady waits until everything that was asked for is there and in force.
func (s *stage) awaitReady(ctx context.Context) {
	GinkgoHelper()
	for _, kind := range []string{v1.ConditionReady, v1.ConditionConfigurationApplied} {
		s.await(ctx, kind, "True ")
	}
}

func (s *stage) pod(ctx context.Context, ordinal int) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	return pod, s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: names.Server(instanceName, ordinal)}, pod)
}

// uids of the servers' pods.
func (s *stage) uids(ctx context.Context) (map[string]types.UID, error) {
	var pods corev1.PodList
	err := s.List(ctx, &pods, client.InNamespace(s.namespace), client.MatchingLabels(names.Labels(instanceName)))
	uids := map[string]types.UID{}
	for _, pod := range pods.Items {
		uids[pod.Name] = pod.UID
	}
	return uids, err
}

// role is the role label of a server's pod.
func (s *stage) role(ordinal int) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		pod, err := s.pod(ctx, ordinal)
		return pod.Labels[roleLabel], err
	}
}

func (s *stage) secret(ctx context.Context, name, key string) (string, error) {
	secret := &corev1.Secret{}
	err := s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, secret)
	return string(secret.Data[key]), err
}

// rootPassword that the instance's Secret has.
func (s *stage) rootPassword(ctx context.Context) (string, error) {
	instance, err := s.instance(ctx)
	if err != nil {
		return "", err
	}
	ref := names.RootSecretRef(instance)
	return s.secret(ctx, ref.Name, ref.Key)
}

// unencrypted makes a connection that is not.
func unencrypted(config *mysql.Config) { config.TLSConfig = "" }

// connect to a server as a user.
func (s *stage) connect(
	ctx context.Context, ordinal int, user, password string, options ...func(*mysql.Config),
) (*sql.DB, error) {
	pod, err := s.pod(ctx, ordinal)
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(names.ServerPort))
	config.User, config.Passwd, config.Timeout, config.MultiStatements = user, password, 2*time.Second, true
	config.TLSConfig = "preferred"
	config.Logger = &mysql.NopLogger{}
	for _, option := range options {
		option(config)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// as does something as root.
func (s *stage) as(ctx context.Context, ordinal int, do func(*sql.DB) error) error {
	password, err := s.rootPassword(ctx)
	if err != nil {
		return err
	}
	db, err := s.connect(ctx, ordinal, "root", password)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // what it was for is done
	return do(db)
}

// exec runs statements as root.
func (s *stage) exec(ctx context.Context, ordinal int, statements ...string) {
	GinkgoHelper()
	Expect(s.try(ctx, ordinal, statements...)).To(Succeed())
}

// meddle runs statements of which one stops replication, and the next need it to stand still: somebody who has it go on may be
// faster.
func (s *stage) meddle(ctx context.Context, ordinal int, statements ...string) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) error { return s.try(ctx, ordinal, statements...) }).WithContext(ctx).Should(Succeed())
}

func (s *stage) try(ctx context.Context, ordinal int, statements ...string) error {
	return s.as(ctx, ordinal, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, strings.Join(statements, "; "))
		return err
	})
}

// query reads one value as root.
func (s *stage) query(ordinal int, query string) func(context.Context) (string, error) {
	return func(ctx context.Context) (value string, err error) {
		err = s.as(ctx, ordinal, func(db *sql.DB) error { return db.QueryRowContext(ctx, query).Scan(&value) })
		return value, err
	}
}

// rows that a server has, in order.
func (s *stage) rows(ordinal int) func(context.Context) (string, error) {
	return s.query(ordinal, "SELECT COALESCE(GROUP_CONCAT(id ORDER BY id), '') FROM shop.orders")
}

// replicates writes a row on the primary, and waits until every replica has all rows.
func (s *stage) replicates(ctx context.Context, replicas, row int) {
	GinkgoHelper()
	s.exec(ctx, 0, fmt.Sprintf("INSERT INTO shop.orders VALUES (%d)", row))
	rows, err := s.rows(0)(ctx)
	Expect(err).NotTo(HaveOccurred())
	for ordinal := 1; ordinal <= replicas; ordinal++ {
		Eventually(s.rows(ordinal)).WithContext(ctx).Should(Equal(rows), "the rows of server %d", ordinal)
	}
}

// show adds to the report what the instance and its pods are.
func (s *stage) show(ctx context.Context) {
	instance, err := s.instance(ctx)
	if err != nil {
		AddReportEntry("instance", err.Error())
		return
	}
	text := ""
	for _, c := range instance.Status.Conditions {
		text += fmt.Sprintf("%s %s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	uids, err := s.uids(ctx)
	if err == nil {
		for _, name := range slices.Sorted(maps.Keys(uids)) {
			pod := &corev1.Pod{}
			if s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, pod) == nil {
				text += fmt.Sprintf("pod %s %s %s %v\n", name, pod.Status.PodIP, pod.Status.Phase, pod.Labels)
			}
		}
	}
	AddReportEntry("instance", text)
}
