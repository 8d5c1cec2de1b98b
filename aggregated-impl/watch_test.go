package aggregatedimpl_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/client/informers/externalversions"
)

var _ = Describe("A watch through kube-apiserver", func() {
	// event is the type and, for objects, the name.
	event := func(e watch.Event) string {
		if instance, ok := e.Object.(*v1.MySQLInstance); ok && e.Type != watch.Bookmark {
			return string(e.Type) + " " + instance.Name
		}
		return string(e.Type)
	}

	It("sends what exists, then the bookmark that ends it, then changes", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		create(ctx, namespace, newInstance("first"))
		watcher, err := client.MysqlV1().MySQLInstances(namespace).Watch(ctx, metav1.ListOptions{
			SendInitialEvents:    ptr.To(true),
			ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
			AllowWatchBookmarks:  true,
		})
		Expect(err).NotTo(HaveOccurred())
		defer watcher.Stop()

		var next watch.Event
		Eventually(watcher.ResultChan()).Should(Receive(&next))
		Expect(event(next)).To(Equal("ADDED first"))
		Eventually(watcher.ResultChan()).Should(Receive(&next))
		Expect(next.Type).To(Equal(watch.Bookmark))
		Expect(next.Object.(*v1.MySQLInstance).Annotations).To(HaveKeyWithValue(metav1.InitialEventsAnnotationKey, "true"))

		// From here on bookmarks may come at any time; receiving passes over them.
		create(ctx, namespace, newInstance("second"))
		Eventually(watcher.ResultChan()).Should(Receive(WithTransform(event, Equal("ADDED second"))))
		Expect(client.MysqlV1().MySQLInstances(namespace).Delete(ctx, "first", metav1.DeleteOptions{})).To(Succeed())
		Eventually(watcher.ResultChan()).Should(Receive(WithTransform(event, Equal("DELETED first"))))
	})

	It("ends the initial events of an empty collection too", func(ctx context.Context) {
		watcher, err := client.MysqlV1alpha1().MySQLInstances(newNamespace(ctx)).Watch(ctx, metav1.ListOptions{
			SendInitialEvents:    ptr.To(true),
			ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
			AllowWatchBookmarks:  true,
		})
		Expect(err).NotTo(HaveOccurred())
		defer watcher.Stop()
		var next watch.Event
		Eventually(watcher.ResultChan()).Should(Receive(&next))
		Expect(next.Type).To(Equal(watch.Bookmark))
	})

	It("tells a selector that an object has left it", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		create(ctx, namespace, newInstance("db"))
		watcher, err := client.MysqlV1().MySQLInstances(namespace).Watch(ctx,
			metav1.ListOptions{FieldSelector: "spec.powerState=Running"})
		Expect(err).NotTo(HaveOccurred())
		defer watcher.Stop()
		var next watch.Event
		Eventually(watcher.ResultChan()).Should(Receive(&next))
		Expect(event(next)).To(Equal("ADDED db"))
		_, err = client.MysqlV1().MySQLInstances(namespace).Patch(ctx, "db", types.MergePatchType,
			[]byte(`{"spec":{"powerState":"Stopped"}}`), metav1.PatchOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(watcher.ResultChan()).Should(Receive(&next))
		Expect(event(next)).To(Equal("DELETED db"))
	})

	It("fills an informer", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		create(ctx, namespace, newInstance("db"))
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		factory := externalversions.NewSharedInformerFactoryWithOptions(client, 0, externalversions.WithNamespace(namespace))
		instances := factory.Mysql().V1().MySQLInstances()
		synced := instances.Informer().HasSynced
		factory.Start(ctx.Done())
		defer factory.Shutdown()
		defer cancel()
		Expect(cache.WaitForCacheSync(ctx.Done(), synced)).To(BeTrue())
		_, err := instances.Lister().MySQLInstances(namespace).Get("db")
		Expect(err).NotTo(HaveOccurred())
	})
})
