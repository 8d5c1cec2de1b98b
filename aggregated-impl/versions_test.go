package aggregatedimpl_test

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gstruct"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/client/clientset/versioned"
)

var _ = Describe("Field selectors", func() {
	It("are the CustomResourceDefinition's in each version, and others are refused", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		running := newInstance("running")
		stopped := newInstance("stopped")
		stopped.Spec.PowerState, stopped.Spec.Version = v1.PowerStopped, "8.0.40"
		create(ctx, namespace, running)
		create(ctx, namespace, stopped)

		names := func(version, selector string) ([]string, error) {
			raw, err := client.MysqlV1().RESTClient().Get().AbsPath("/apis/mysql.example.com", version, "namespaces", namespace,
				"mysqlinstances").Param("fieldSelector", selector).DoRaw(ctx)
			if err != nil {
				return nil, err
			}
			var list metav1.PartialObjectMetadataList
			Expect(json.Unmarshal(raw, &list)).To(Succeed())
			var names []string
			Expect(meta.EachListItem(&list, func(object runtime.Object) error {
				names = append(names, object.(*metav1.PartialObjectMetadata).Name)
				return nil
			})).To(Succeed())
			return names, nil
		}
		for _, row := range []struct{ version, selector, want string }{
			{"v1", "spec.version=8.4.3", "running"},
			{"v1", "spec.powerState=Stopped", "stopped"},
			{"v1", "metadata.name=running", "running"},
			{"v1alpha1", "spec.engineVersion=8.0.40", "stopped"},
			{"v1alpha1", "spec.paused=true", "stopped"},
			{"v1alpha1", "spec.paused!=true", "running"},
		} {
			Expect(names(row.version, row.selector)).To(ConsistOf(row.want), "%s %s", row.version, row.selector)
		}
		Expect(names("v1alpha1", "spec.paused=Stopped")).To(BeEmpty())
		for version, selector := range map[string]string{"v1": "spec.replicas=1", "v1alpha1": "spec.version=8.4.3"} {
			_, err := names(version, selector)
			Expect(apierrors.IsBadRequest(err)).To(BeTrue(), "%s %s: %v", version, selector, err)
		}
	})
})

// warnings collects Warning headers.
type warnings []string

func (w *warnings) HandleWarningHeader(code int, _, text string) {
	if code == 299 { // the only code that Kubernetes sends
		*w = append(*w, text)
	}
}

var _ = Describe("v1alpha1", func() {
	It("shows the same object, and says that it is deprecated", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		var got warnings
		config := rest.CopyConfig(admin)
		config.WarningHandler = &got
		client, err := versioned.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())

		alpha := newAlphaInstance()
		alpha.Spec.ReadReplicas = ptr.To(int32(2))
		_, err = client.MysqlV1alpha1().MySQLInstances(namespace).Create(ctx, alpha, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		const deprecated = "mysql.example.com/v1alpha1 MySQLInstance is deprecated; use mysql.example.com/v1 MySQLInstance"
		Expect(got).To(ContainElement(deprecated))

		got = nil
		stable, err := client.MysqlV1().MySQLInstances(namespace).Get(ctx, "db", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(stable.Spec.Replicas).To(gstruct.PointTo(Equal(int32(3))))
		Expect(got).To(BeEmpty())
	})

	It("may be read at the same time as v1", func(ctx context.Context) {
		// Both are converted from one object in the watch cache. The race detector sees a conversion that writes to it.
		namespace := newNamespace(ctx)
		instance := newInstance("db")
		instance.Annotations = map[string]string{"note": "shared"}
		instance.Spec.Resources.Memory = ptr.To(resource.MustParse("1500Mi")) // v1alpha1 keeps it in an annotation
		create(ctx, namespace, instance)
		var group errgroup.Group
		for range 4 {
			for range 25 {
				group.Go(func() error {
					_, err := client.MysqlV1alpha1().MySQLInstances(namespace).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
					return err
				})
				group.Go(func() error {
					stable, err := client.MysqlV1().MySQLInstances(namespace).Get(ctx, "db", metav1.GetOptions{ResourceVersion: "0"})
					if err == nil && len(stable.Annotations) != 1 {
						err = fmt.Errorf("v1 shows the annotations of v1alpha1: %v", stable.Annotations)
					}
					return err
				})
			}
			Expect(group.Wait()).To(Succeed())
		}
	})
})
