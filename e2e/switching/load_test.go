package switching_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/consistency"
	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	mysqlinstall "github.com/duet-api/duet/shared/api/mysql/install"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
)

// workers of each kind send one request at a time, so that a slow one does not hold up the others.
const workers = 12

// loadCondition is the condition of the status that carries the tokens of the writers.
const loadCondition = "Load"

// requestTimeout is longer than any server takes to say that it will not answer.
const requestTimeout = 70 * time.Second

// load is everything that goes on while a form is switched, and the record of it.
type load struct {
	*population
	site     *behaviour.Site
	recorder *consistency.Recorder
	reader   consistency.Reader
	// wires and accesses are to each kube-apiserver.
	wires    []*wire.Client
	accesses []dynamic.Interface

	churn     churn
	before    map[string]identity
	informers map[*consistency.Informer]consistency.Scope
	// began is when it began.
	began time.Time
	// history is what finish has judged.
	history consistency.History
	// stores that are listened to, as the record calls them.
	stores map[string]*preparable
	// namesOnly: an owner may become another one with the same name.
	namesOnly bool
	// store that is written to, as the record calls it.
	store string
	// working and watching end with their cancel functions.
	working, watching         sync.WaitGroup
	stopWorking, stopWatching context.CancelFunc
}

// start populates the site, unless it is, and puts it under load. It returns when every watch is open.
func start(ctx context.Context, site *behaviour.Site, there *population) *load {
	GinkgoHelper()
	l := settle(ctx, site, there)
	l.watch(ctx)
	l.began = time.Now()
	l.work(ctx)
	DeferCleanup(func() {
		l.stopWorking()
		l.stopWatching()
		l.working.Wait()
		l.watching.Wait()
	})
	return l
}

// settle populates the site, unless it is, and leaves it in peace.
func settle(ctx context.Context, site *behaviour.Site, there *population) *load {
	GinkgoHelper()
	scheme := runtime.NewScheme()
	mysqlinstall.Install(scheme)
	l := &load{
		population: there, site: site, recorder: consistency.NewRecorder(),
		informers: map[*consistency.Informer]consistency.Scope{},
		stores:    map[string]*preparable{},
		reader: consistency.Reader{
			Decoder:     serializer.NewCodecFactory(scheme).UniversalDeserializer(),
			StatusToken: consistency.ConditionToken(loadCondition),
			OriginalUID: v1.AnnotationPreviousUID,
		},
	}
	for _, config := range site.Installer.Env.APIServerConfigs() {
		client, err := wire.New(config)
		Expect(err).NotTo(HaveOccurred())
		access, err := dynamic.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		l.wires, l.accesses = append(l.wires, client), append(l.accesses, access)
	}
	l.follow(ctx, "", site.Plane.Etcd(), false)
	if len(l.objects) == 0 {
		l.lengths = map[string]time.Duration{}
		l.populate(ctx)
	}
	l.before = l.children(ctx)
	return l
}

// config is an administrator's, without limits.
func (l *load) config() *rest.Config {
	config := rest.CopyConfig(l.site.Config())
	config.QPS = -1
	return config
}

func (l *load) dynamic(version string) dynamic.NamespaceableResourceInterface {
	return l.accesses[0].Resource(resource(version))
}

// at is the kube-apiserver that a client sends to: always the same one, since another may not have got as far.
func (l *load) at(name string) int {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(name))
	return int(sum.Sum32() % uint32(len(l.wires)))
}

func resource(version string) schema.GroupVersionResource {
	return schema.GroupVersion{Group: fixture.Group, Version: version}.WithResource(fixture.Resource)
}

// client of a version. Clients that share a name must not send at the same time.
func (l *load) client(name, version string) *consistency.Client {
	return &consistency.Client{
		Name: name, Wire: l.wires[l.at(name)], Recorder: l.recorder, Resource: resource(version), Reader: l.reader,
	}
}

// follow lets the store itself tell what happens there, from now on, or what there is once it is served from.
func (l *load) follow(ctx context.Context, store string, access controlplane.EtcdAccess, beside bool) {
	GinkgoHelper()
	settings, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{
		CAFile: access.CAFile, CertFile: access.CertFile, KeyFile: access.KeyFile,
	}})
	Expect(err).NotTo(HaveOccurred())
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{access.URL}, TLS: settings, Logger: zap.NewNop(), DialTimeout: requestTimeout,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(client.Close)
	key := access.Prefix + "/" + install.Resource.Group + "/" + install.Resource.Resource
	oracle := &preparable{Etcd: consistency.Etcd{Client: client, Store: store, Prefix: key, Reader: l.reader}}
	l.stores[store] = oracle
	if beside {
		oracle.prepare()
	}
	Expect(l.recorder.Follow(ctx, oracle)).To(Succeed())
}

// watch opens the watches: of all namespaces or one, of all instances or one colour, in both versions, as informers and
// as clients that go on by themselves, with connections that last or do not.
func (l *load) watch(ctx context.Context) {
	GinkgoHelper()
	By(fmt.Sprintf("opening %d watches", *watches))
	watching, stop := context.WithCancel(ctx)
	l.stopWatching = stop
	opened := make(chan struct{}, *watches)
	synced := func() { opened <- struct{}{} }
	for i := range *watches {
		version := []string{fixture.V1, fixture.V1alpha1}[i/5%2]
		scope := consistency.Scope{Namespace: l.namespaces[i%len(l.namespaces)]}
		if i%10 == 0 {
			scope.Namespace = ""
		}
		if i%3 == 1 {
			scope.Selector = colourLabel + "=" + red
		}
		name := fmt.Sprintf("watch-%d", i)
		var run func(context.Context, func())
		if i%5 == 0 {
			informer := consistency.NewInformer(name, l.recorder, l.accesses[l.at(name)].Resource(resource(version)), scope, l.reader)
			l.informers[informer] = scope
			run = informer.Run
		} else {
			watcher := &consistency.Watcher{Client: l.client(name, version), Scope: scope, Initial: i%2 == 0}
			if i%4 == 1 {
				watcher.Longest = 5 * time.Second
			}
			run = watcher.Run
		}
		l.watching.Go(func() { run(watching, synced) })
	}
	for range *watches {
		Eventually(opened).WithContext(ctx).Should(Receive())
	}
}

// work starts the writers and the readers.
func (l *load) work(ctx context.Context) {
	By(fmt.Sprintf("%d writes and %d reads in a second", *rate, *rate))
	working, stop := context.WithCancel(ctx)
	l.stopWorking = stop
	writes := flowcontrol.NewTokenBucketRateLimiter(float32(*rate), workers)
	reads := flowcontrol.NewTokenBucketRateLimiter(float32(*rate), workers)
	for i := range workers {
		w, r := l.newWriter(i), l.newReader(i)
		l.working.Go(func() { repeat(working, ctx, writes, w.write) })
		l.working.Go(func() { repeat(working, ctx, reads, r.read) })
	}
}

// repeat sends requests at a rate until it is told to stop. A request that is under way then is not given up.
func repeat(working, ctx context.Context, limit flowcontrol.RateLimiter, send func(context.Context)) {
	for limit.Wait(working) == nil {
		sending, cancel := context.WithTimeout(ctx, requestTimeout)
		send(sending)
		cancel()
	}
}

// calm lets the load go on for a while: only time makes it more.
func (l *load) calm(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(*calm):
	}
}
