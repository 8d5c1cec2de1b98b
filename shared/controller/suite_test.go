package controller_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controller"
	"github.com/duet-api/duet/shared/controller/config"
	"github.com/duet-api/duet/shared/controlplane"
)

// The suite runs the controller, with the account and the rights of an installation, against a real control plane. The
// API is served by the schema of the CRD alone, read as a file: this package may not import a form, and needs none.
// There are no nodes, so pods are made and never run; what the status says once they do is in conditions_test.go.

func TestControllerOnAControlPlane(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	SetDefaultConsistentlyDuration(2 * time.Second)
	SetDefaultConsistentlyPollingInterval(50 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "Controller")
}

var (
	plane *controlplane.ControlPlane
	// admin is the client of the specs.
	admin client.Client
	// traffic is what the controller did.
	traffic *record
	// ready is the controller's own readiness check.
	ready func(*http.Request) error
)

// record counts the controller's requests by namespace.
type record struct {
	mutex  sync.Mutex
	writes map[string][]string
	passes map[string]int
}

func (r *record) write(namespace, write string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.writes[namespace] = append(r.writes[namespace], write)
}

// Writes of the controller to a namespace so far.
func (r *record) Writes(namespace string) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.writes[namespace])
}

// Passes are the reconciles of instances of a namespace that have begun so far.
func (r *record) Passes(namespace string) int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.passes[namespace]
}

// client watches over the manager's client.
func (r *record) client(config *rest.Config, options client.Options) (client.Client, error) {
	inner, err := client.NewWithWatch(config, options)
	if err != nil {
		return nil, err
	}
	applied := func(verb string, o runtime.ApplyConfiguration) {
		named := o.(interface {
			GetKind() *string
			GetName() *string
			GetNamespace() *string
		})
		r.write(*named.GetNamespace(), verb+" "+*named.GetKind()+" "+*named.GetName())
	}
	return interceptor.NewClient(inner, interceptor.Funcs{
		Get: func(
			ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption,
		) error {
			if _, ok := o.(*v1.MySQLInstance); ok {
				r.mutex.Lock()
				r.passes[key.Namespace]++
				r.mutex.Unlock()
			}
			return c.Get(ctx, key, o, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			r.write(o.GetNamespace(), fmt.Sprintf("create %T %s", o, o.GetName()))
			return c.Create(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			r.write(o.GetNamespace(), fmt.Sprintf("delete %T %s", o, o.GetName()))
			return c.Delete(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			r.write(o.GetNamespace(), fmt.Sprintf("patch %T %s", o, o.GetName()))
			return c.Patch(ctx, o, p, opts...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			applied("apply", o)
			return c.Apply(ctx, o, opts...)
		},
		SubResourceApply: func(
			ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption,
		) error {
			applied("apply "+sub, o)
			return c.SubResource(sub).Apply(ctx, o, opts...)
		},
	}), nil
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	plane, err = controlplane.Start(ctx, controlplane.Options{Name: "controller", Dir: GinkgoT().TempDir(), Out: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) { Expect(plane.Stop(ctx)).To(Succeed()) })

	adminConfig, err := plane.AdminConfig()
	Expect(err).NotTo(HaveOccurred())
	adminConfig.QPS = -1
	scheme := controller.NewScheme()
	Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	admin, err = client.New(adminConfig, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: config.Namespace}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	objects, err := config.RBAC()
	Expect(err).NotTo(HaveOccurred())
	for _, object := range objects {
		Expect(admin.Create(ctx, object)).To(Succeed())
	}
	startController()
}, NodeTimeout(15*time.Minute))

// startController runs the controller until the suite ends, before there is an API.
func startController() {
	GinkgoHelper()
	ctrl.SetLogger(GinkgoLogr)
	account, err := plane.UserConfig("system:serviceaccount:"+config.Namespace+":"+config.Name,
		"system:serviceaccounts", "system:serviceaccounts:"+config.Namespace)
	Expect(err).NotTo(HaveOccurred())
	account.QPS = -1
	traffic = &record{writes: map[string][]string{}, passes: map[string]int{}}
	mgr, err := ctrl.NewManager(account, ctrl.Options{
		Logger:                        GinkgoLogr,
		Scheme:                        controller.NewScheme(),
		Cache:                         controller.CacheOptions(),
		NewClient:                     traffic.client,
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              config.Name,
		LeaderElectionNamespace:       config.Namespace,
		LeaderElectionReleaseOnCancel: true,
		// Longer than the API server is ever away here: a leader that cannot renew ends.
		LeaseDuration: new(3 * time.Minute),
		RenewDeadline: new(2 * time.Minute),
	})
	Expect(err).NotTo(HaveOccurred())
	ready, err = controller.Setup(mgr, controller.Options{
		Workers:         4,
		ImageRepository: "mysql",
		Validate:        func(*v1.MySQLInstance) field.ErrorList { return nil },
	})
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	DeferCleanup(func() {
		cancel()
		Eventually(done).Should(Receive(BeNil()))
	})
}

// definition is the CRD with v1 alone, which needs no webhook.
func definition() *apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	content, err := os.ReadFile("../../crd-impl/config/crd/mysql.example.com_mysqlinstances.yaml")
	Expect(err).NotTo(HaveOccurred())
	crd := &apiextensionsv1.CustomResourceDefinition{}
	Expect(yaml.UnmarshalStrict(content, crd)).To(Succeed())
	crd.Spec.Conversion = nil
	crd.Spec.Versions = slices.DeleteFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name != "v1"
	})
	Expect(crd.Spec.Versions).To(HaveLen(1))
	return crd
}

// newNamespace of a spec; it goes with it.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "controller-"}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, namespace))).To(Succeed())
	})
	return namespace.Name
}

// get reads an object, for Eventually.
func get[O client.Object](namespace, name string, o O) func(context.Context) (O, error) {
	return func(ctx context.Context) (O, error) {
		err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)
		return o, err
	}
}

// gone says whether an object does not exist, for Eventually.
func gone(namespace, name string, o client.Object) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)
		return err != nil, client.IgnoreNotFound(err)
	}
}

// conditionOf reads "Status Reason" of a condition at the instance's newest generation, for Eventually.
func conditionOf(namespace, name, kind string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		instance := &v1.MySQLInstance{}
		if err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, instance); err != nil {
			return "", err
		}
		c := meta.FindStatusCondition(instance.Status.Conditions, kind)
		if c == nil {
			return "", errors.New("no such condition yet")
		}
		if c.ObservedGeneration != instance.Generation {
			return "", fmt.Errorf("generation %d is not observed yet", instance.Generation)
		}
		return string(c.Status) + " " + c.Reason, nil
	}
}

// awaitCondition waits for "Status Reason" of a condition.
func awaitCondition(ctx context.Context, namespace, name, kind, want string) {
	GinkgoHelper()
	Eventually(conditionOf(namespace, name, kind)).WithContext(ctx).Should(Equal(want), kind)
}

// change patches the newest instance.
func change(ctx context.Context, namespace, name string, change func(*v1.MySQLInstance)) {
	GinkgoHelper()
	instance := &v1.MySQLInstance{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, instance)).To(Succeed())
	before := instance.DeepCopy()
	change(instance)
	Expect(admin.Patch(ctx, instance, client.MergeFrom(before))).To(Succeed())
}

// quiet waits until the controller has nothing to write in a namespace, and then makes it look once more: that pass must
// write nothing either.
func quiet(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		before := len(traffic.Writes(namespace))
		g.Consistently(func() int { return len(traffic.Writes(namespace)) }).WithContext(ctx).Should(Equal(before))
	}).WithContext(ctx).Should(Succeed())
	writes, passes := traffic.Writes(namespace), traffic.Passes(namespace)
	change(ctx, namespace, name, func(i *v1.MySQLInstance) {
		metav1.SetMetaDataAnnotation(&i.ObjectMeta, "example.com/look", fmt.Sprint(passes))
	})
	Eventually(func() int { return traffic.Passes(namespace) }).WithContext(ctx).Should(BeNumerically(">", passes))
	Consistently(func() []string { return traffic.Writes(namespace) }).WithContext(ctx).Should(Equal(writes))
}
