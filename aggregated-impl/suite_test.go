package aggregatedimpl_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	aggregatedimpl "github.com/duet-api/duet/aggregated-impl"
	"github.com/duet-api/duet/aggregated-impl/config"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
	"github.com/duet-api/duet/shared/client/clientset/versioned"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

func TestAggregated(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	RunSpecs(t, "Aggregated form")
}

// What the specs share: a real control plane with the form brought up as its plan says.
var (
	plane   *controlplane.ControlPlane
	env     *install.Environment
	admin   *rest.Config // an administrator, through kube-apiserver
	cluster kubernetes.Interface
	client  versioned.Interface
)

var _ = BeforeSuite(func(ctx context.Context) {
	dir, err := os.MkdirTemp("", "duet-aggregated-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)

	By("building the server")
	binaries := filepath.Join(dir, "bin")
	program := filepath.Join(binaries, aggregatedimpl.ServerName)
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/apiserver")
	build.Stdout, build.Stderr = GinkgoWriter, GinkgoWriter
	Expect(build.Run()).To(Succeed())

	By("starting the control plane")
	// Fake nodes, because a log is read from a kubelet.
	plane, err = controlplane.Start(ctx, controlplane.Options{
		Dir: filepath.Join(dir, "controlplane"), Out: GinkgoWriter, Kwok: true,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) { Expect(plane.Stop(ctx)).To(Succeed()) })

	By("installing the form")
	env, err = install.NewEnvironment(plane, binaries)
	Expect(err).NotTo(HaveOccurred())
	admin = env.Config()
	admin.QPS = -1
	admin.WarningHandler = rest.NoWarnings{}
	cluster, err = kubernetes.NewForConfig(admin)
	Expect(err).NotTo(HaveOccurred())
	client, err = versioned.NewForConfig(admin)
	Expect(err).NotTo(HaveOccurred())
	bringUp(ctx, aggregatedimpl.ProfileShared)
	DeferCleanup(func(ctx context.Context) {
		Expect(serverLog(ctx)).NotTo(SatisfyAny(ContainSubstring("panic"), ContainSubstring("DATA RACE")))
	})
}, NodeTimeout(15*time.Minute))

// bringUp follows a profile's plan as the installer does, but without the controller: these specs are about the server.
func bringUp(ctx context.Context, profile string) {
	GinkgoHelper()
	plan, err := aggregatedimpl.Form{}.Plan(ctx, env, profile)
	Expect(err).NotTo(HaveOccurred())
	_, err = cluster.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: install.Namespace}}, metav1.CreateOptions{})
	Expect(ctrlclient.IgnoreAlreadyExists(err)).To(Succeed())
	applier, err := ctrlclient.New(admin, ctrlclient.Options{})
	Expect(err).NotTo(HaveOccurred())
	apply := func(objects []*unstructured.Unstructured) {
		GinkgoHelper()
		for _, object := range objects {
			Expect(applier.Apply(ctx, ctrlclient.ApplyConfigurationFromUnstructured(object),
				ctrlclient.FieldOwner("suite"))).To(Succeed(), object.GetName())
		}
	}

	apply(plan.Prerequisites)
	_, err = env.ServiceAccountKubeconfig(ctx, config.ServiceAccount)
	Expect(err).NotTo(HaveOccurred())
	for _, spec := range plan.Processes {
		Expect(env.Runner().Run(ctx, spec)).To(Succeed())
	}
	apply(plan.Objects)
	Eventually(func() error { return install.Serves(ctx, admin, aggregatedimpl.Form{}.Versions(profile)...) }).
		WithTimeout(2 * time.Minute).MustPassRepeatedly(10).Should(Succeed())
}

// newNamespace makes a namespace for one spec.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace, err := cluster.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) {
		Expect(cluster.CoreV1().Namespaces().Delete(ctx, namespace.Name, metav1.DeleteOptions{})).To(Succeed())
	})
	return namespace.Name
}

func newInstance(name string) *v1.MySQLInstance {
	return &v1.MySQLInstance{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1.SchemeGroupVersion.String(), Kind: "MySQLInstance"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1.MySQLInstanceSpec{Version: "8.4.3", Storage: v1.Storage{VolumeSize: resource.MustParse("10Gi")}},
	}
}

func newAlphaInstance() *v1alpha1.MySQLInstance {
	return &v1alpha1.MySQLInstance{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "MySQLInstance"},
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec:       v1alpha1.MySQLInstanceSpec{EngineVersion: "8.4.3", StorageGB: 10},
	}
}

// create stores a new instance in a namespace.
func create(ctx context.Context, namespace string, instance *v1.MySQLInstance) *v1.MySQLInstance {
	GinkgoHelper()
	created, err := client.MysqlV1().MySQLInstances(namespace).Create(ctx, instance, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return created
}

// serverLog is everything that the server has logged.
func serverLog(ctx context.Context) string {
	GinkgoHelper()
	status, err := process.Find(ctx, env.Runner(), aggregatedimpl.ServerName)
	Expect(err).NotTo(HaveOccurred())
	data, err := os.ReadFile(status.LogFile)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

var _ = ReportAfterEach(func(ctx SpecContext, report SpecReport) {
	if report.Failed() && env != nil {
		lines := strings.Split(serverLog(ctx), "\n")
		AddReportEntry("server log", strings.Join(lines[max(0, len(lines)-30):], "\n"))
	}
})
