package crdimpl_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	crdimpl "github.com/duet-api/duet/crd-impl"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

func TestCRD(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "CRD form")
}

// What the specs share: a real control plane with the form brought up as its plan says.
var (
	plane   *controlplane.ControlPlane
	env     *install.Environment
	admin   *rest.Config
	cluster kubernetes.Interface
	objects dynamic.Interface
	// warned has what the API server warned the administrator about.
	warned = &warnings{}
)

var _ = BeforeSuite(func(ctx context.Context) {
	dir, err := os.MkdirTemp("", "duet-crd-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)

	By("building the webhook server")
	binaries := filepath.Join(dir, "bin")
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(binaries, crdimpl.ServerName), "./cmd/crd-webhook")
	build.Stdout, build.Stderr = GinkgoWriter, GinkgoWriter
	Expect(build.Run()).To(Succeed())

	By("starting the control plane")
	plane, err = controlplane.Start(ctx, controlplane.Options{Dir: filepath.Join(dir, "controlplane"), Out: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) { Expect(plane.Stop(ctx)).To(Succeed()) })

	By("installing the form")
	env, err = install.NewEnvironment(plane, binaries)
	Expect(err).NotTo(HaveOccurred())
	admin = env.Config()
	admin.QPS = -1
	admin.WarningHandler = warned
	cluster, err = kubernetes.NewForConfig(admin)
	Expect(err).NotTo(HaveOccurred())
	objects, err = dynamic.NewForConfig(admin)
	Expect(err).NotTo(HaveOccurred())
	_, err = cluster.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: install.Namespace}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	bringUp(ctx, crdimpl.ProfileWebhooks)
}, NodeTimeout(15*time.Minute))

// bringUp follows a profile's plan as the installer does, but without the controller: these specs are about the API.
func bringUp(ctx context.Context, profile string) {
	GinkgoHelper()
	plan, err := crdimpl.Form{}.Plan(ctx, env, profile)
	Expect(err).NotTo(HaveOccurred())
	apply(ctx, plan.Prerequisites)
	for _, spec := range plan.Processes {
		_, err = env.ServiceAccountKubeconfig(ctx, crdimpl.ServerName)
		Expect(err).NotTo(HaveOccurred())
		Expect(env.Runner().Run(ctx, spec)).To(Succeed())
	}
	apply(ctx, plan.Objects)
	Eventually(func() error { return install.Serves(ctx, admin, crdimpl.Form{}.Versions(profile)...) }).Should(Succeed())
	if profile != crdimpl.ProfileWebhooks {
		return
	}
	// kube-apiserver learns of a webhook configuration through a watch: until then it asks nobody.
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	for version, spec := range map[string]string{"v1": "{tls: {secretName: gone}}", "v1alpha1": "{sslSecret: gone}"} {
		Eventually(func(ctx context.Context) error {
			_, err := in(version, metav1.NamespaceDefault).Create(ctx, instance(version, "probe", spec), dry)
			return err
		}).WithContext(ctx).Should(MatchError(apierrors.IsInvalid, "IsInvalid"))
	}
}

func apply(ctx context.Context, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	applier, err := ctrlclient.New(admin, ctrlclient.Options{})
	Expect(err).NotTo(HaveOccurred())
	for _, object := range objects {
		Expect(applier.Apply(ctx, ctrlclient.ApplyConfigurationFromUnstructured(object.DeepCopy()),
			ctrlclient.FieldOwner("suite"), ctrlclient.ForceOwnership)).To(Succeed(), object.GetName())
	}
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

// in is the instances of a namespace in one version.
func in(version, namespace string) dynamic.ResourceInterface {
	return objects.Resource(install.Resource.GroupResource().WithVersion(version)).Namespace(namespace)
}

// instance is an object with the spec, in YAML, added to the least that its version asks for.
func instance(version, name, spec string) *unstructured.Unstructured {
	GinkgoHelper()
	fields := map[string]any{}
	if version == "v1" {
		fields["version"], fields["storage"] = "8.4.3", map[string]any{"size": "10Gi"}
	} else {
		fields["engineVersion"], fields["storageGB"] = "8.4.3", int64(10)
	}
	Expect(yaml.Unmarshal([]byte(spec), &fields)).To(Succeed())
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": install.Group + "/" + version, "kind": "MySQLInstance",
		"metadata": map[string]any{"name": name}, "spec": fields,
	}}
}

// create stores an instance that must be accepted.
func create(ctx context.Context, namespace string, object *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	created, err := in(object.GroupVersionKind().Version, namespace).Create(ctx, object, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return created
}

// merge patches an instance.
func merge(ctx context.Context, version, namespace, name, patch string, subresources ...string) (*unstructured.Unstructured, error) {
	return in(version, namespace).Patch(ctx, name, "application/merge-patch+json", []byte(patch), metav1.PatchOptions{}, subresources...)
}

// at is a value of an object by its path, like "spec.storage.size".
func at(object *unstructured.Unstructured, path string) any {
	GinkgoHelper()
	value, _, err := unstructured.NestedFieldNoCopy(object.Object, strings.Split(path, ".")...)
	Expect(err).NotTo(HaveOccurred())
	return value
}

// warnings collects the warnings of the API server.
type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

// take returns the warnings since the last call.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.text
	w.text = nil
	return text
}

var _ = ReportAfterEach(func(ctx SpecContext, report SpecReport) {
	if !report.Failed() || env == nil {
		return
	}
	status, err := process.Find(ctx, env.Runner(), crdimpl.ServerName)
	if err != nil {
		return
	}
	lines, err := process.LogTail(status.LogFile, 30)
	if err == nil {
		AddReportEntry("webhook server's log", strings.Join(lines, "\n"))
	}
})
