package switching_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/duet-api/duet/e2e/behaviour"
	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
	"github.com/duet-api/duet/shared/switching"
)

// bound is an encryption that is bound to the key below which something is stored: what is copied below another one
// cannot be read.
const bound = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [mysqlinstances.mysql.example.com]
  providers:
  - aesgcm: {keys: [{name: one, secret: %s}]}
`

// The load's oracles cannot read what is encrypted, so these are switches without load.
var _ = Describe("A switch of what is encrypted at rest", Ordered, Label("encrypted"), func() {
	if !*full {
		return
	}
	const encrypts = "--encryption-provider-config="
	var (
		file string
		made map[string]types.UID
	)
	place := placed(func(ctx context.Context) *behaviour.Site {
		file = filepath.Join(GinkgoT().TempDir(), "encryption.yaml")
		key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("duet"), 8))
		Expect(os.WriteFile(file, fmt.Appendf(nil, bound, key), 0o600)).To(Succeed())
		return suite.Open(ctx, suite.Forms[0], "", binaries, controlplane.Options{APIServerArgs: []string{encrypts + file}})
	})
	amend := func(args ...string) {
		(*place).Installer.Env.Amend = func(spec process.Spec) process.Spec {
			if spec.Name == "duet-apiserver" {
				spec.Args = slices.Concat(spec.Args, args)
			}
			return spec
		}
	}
	run := func(ctx context.Context, to string, strategy switching.Strategy) error {
		_, err := switching.New((*place).Installer, func(format string, args ...any) { GinkgoWriter.Printf(format+"\n", args...) }).
			Run(ctx, switching.Options{To: to, Strategy: strategy})
		return err
	}
	instances := func() dynamic.ResourceInterface {
		GinkgoHelper()
		client, err := dynamic.NewForConfig((*place).Config())
		Expect(err).NotTo(HaveOccurred())
		return client.Resource(resource(fixture.V1)).Namespace(metav1.NamespaceDefault)
	}
	create := func(ctx context.Context, name string) {
		GinkgoHelper()
		object, err := instances().Create(ctx,
			fixture.Instance(name, fixture.With("metadata.namespace", metav1.NamespaceDefault)), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		made[name] = object.GetUID()
	}
	served := func(ctx context.Context) map[string]types.UID {
		GinkgoHelper()
		list, err := instances().List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		found := map[string]types.UID{}
		for _, item := range list.Items {
			found[item.GetName()] = item.GetUID()
		}
		return found
	}

	BeforeAll(func(ctx context.Context) {
		made = map[string]types.UID{}
		for i := range 3 {
			create(ctx, fmt.Sprintf("db-%d", i))
		}
	})

	It("is refused while the servers do not encrypt alike", SpecTimeout(patience), func(ctx context.Context) {
		Expect(run(ctx, install.Aggregated, "")).To(MatchError(ContainSubstring("do not encrypt what they store in the same way")))
		Expect(served(ctx)).To(Equal(made))
	})

	for _, strategy := range []switching.Strategy{switching.Shared, switching.Dedicated} {
		It("keeps every object, there and back, with strategy "+string(strategy), SpecTimeout(patience), func(ctx context.Context) {
			amend(encrypts + file)
			Expect(run(ctx, install.Aggregated, strategy)).To(Succeed())
			Expect(served(ctx)).To(Equal(made))

			// What is stored as protobuf looks like everything else that is encrypted.
			record, err := install.ReadRecord(ctx, (*place).Installer.Client())
			Expect(err).NotTo(HaveOccurred())
			amend(encrypts+file, "--storage-media-type=application/vnd.kubernetes.protobuf")
			Expect((*place).Installer.Install(ctx, install.Aggregated, record.Profile)).To(Succeed())
			create(ctx, "protobuf-"+string(strategy))
			amend(encrypts + file)
			Expect((*place).Installer.Install(ctx, install.Aggregated, record.Profile)).To(Succeed())

			Expect(run(ctx, install.CRD, strategy)).To(Succeed())
			Expect(served(ctx)).To(Equal(made))
		})
	}
})
