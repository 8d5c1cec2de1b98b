package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/suite"
	"github.com/duet-api/duet/shared/certs"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
	"github.com/duet-api/duet/shared/switching"
)

const serverName = "duet-apiserver"

// switchSpecs are what a switch does besides losing nothing, which package e2e/switching looks at under load: what it
// refuses, where it stands, and the way back. They begin and end with the crd form.
func switchSpecs(s *site, namespace func() string) {
	run := s.switching
	serving := func(ctx context.Context) string {
		GinkgoHelper()
		status, err := s.Installer.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		for _, version := range status.Versions {
			Expect(version.Error).To(BeEmpty())
		}
		return status.Form
	}

	It("refuses to switch what it cannot, and has changed nothing then", func(ctx context.Context) {
		definitions := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
		other := map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": "others." + install.Group},
			"spec": map[string]any{
				"group": install.Group, "scope": "Namespaced",
				"names": map[string]any{"plural": "others", "kind": "Other"},
				"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true,
					"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}}}},
			},
		}
		answer, err := s.client.Send(ctx, "POST", definitions, other)
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Verdict()).To(Equal("201"))
		before := s.lives(ctx)

		_, err = run(ctx, switching.Options{To: install.Aggregated})
		Expect(err).To(MatchError(ContainSubstring("others." + install.Group)))
		refused := (*switching.RefusedError)(nil)
		Expect(errors.As(err, &refused)).To(BeTrue(), "it is an error like any other: %v", err)
		Expect(s.lives(ctx)).To(Equal(before))
		Expect(s.Installer.ReadSwitch(ctx)).To(BeNil(), "a switch that was refused is under way")

		answer, err = s.client.Send(ctx, "DELETE", definitions+"/others."+install.Group, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Verdict()).To(Equal("200"))
		Eventually(func(g Gomega) {
			answer, err := s.client.Send(ctx, "GET", definitions+"/others."+install.Group, nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(answer.Code).To(Equal(404))
		}).WithContext(ctx).Should(Succeed())
	})

	It("refuses a server that answers, but not kube-apiserver, and has changed nothing then", func(ctx context.Context) {
		before := s.lives(ctx)
		forms := s.Installer.Forms
		DeferCleanup(func() { s.Installer.Forms = forms })
		server, err := forms.Named(install.Aggregated)
		Expect(err).NotTo(HaveOccurred())
		ca, err := certs.NewCA("another")
		Expect(err).NotTo(HaveOccurred())
		s.Installer.Forms = install.Forms{s.Form, distrusted{Implementation: server, bundle: ca.Bundle()}}

		_, err = run(ctx, switching.Options{To: install.Aggregated})
		refused := (*switching.RefusedError)(nil)
		Expect(errors.As(err, &refused)).To(BeTrue(), "it is an error like any other: %v", err)
		Expect(refused.Reasons).To(ConsistOf(And(ContainSubstring("kube-apiserver does not reach it"), ContainSubstring("x509"))))
		Expect(s.lives(ctx)).To(Equal(before))
		Expect(serving(ctx)).To(Equal(install.CRD))
	})

	It("can be taken back before the other form has served", func(ctx context.Context) {
		before := s.lives(ctx)
		result, err := run(ctx, switching.Options{To: install.Aggregated, Until: switching.Verify})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Finished).To(BeFalse())
		Expect(s.Installer.Install(ctx, install.CRD, "")).To(MatchError(ContainSubstring("is under way, at step flip")))
		_, err = s.Installer.Uninstall(ctx, false)
		Expect(err).To(MatchError(ContainSubstring("duet switch --rollback")))

		By("being interrupted while what was prepared is taken away")
		s.interrupted(ctx, switching.Options{Rollback: true}, "", "stopping")
		status, err := s.Installer.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(status.Switch.TakingBack).To(BeTrue())
		result, err = run(ctx, switching.Options{To: install.Aggregated, DryRun: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Steps[0].Checks).To(ConsistOf(ContainSubstring("would be taken away first")))

		_, err = run(ctx, switching.Options{Rollback: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.lives(ctx)).To(Equal(before), "something of the other form is left, or of this one is not")
		Expect(serving(ctx)).To(Equal(install.CRD))
	})

	It("refuses what the other form would refuse, through the API, and has changed nothing then", func(ctx context.Context) {
		client, err := kubernetes.NewForConfig(s.Config())
		Expect(err).NotTo(HaveOccurred())
		owned := s.allOwned(ctx, namespace())
		secrets := client.CoreV1().Secrets(namespace())
		_, err = secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "passing"}, StringData: map[string]string{"password": "a long one"},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		s.create(ctx, namespace(), "refused", fixture.With("spec.credentials.rootSecretRef",
			map[string]any{"name": "passing", "key": "password"}))
		// What is stored may name a Secret that is gone, and nothing may be made that does.
		Expect(secrets.Delete(ctx, "passing", metav1.DeleteOptions{})).To(Succeed())
		before := s.lives(ctx)

		_, err = run(ctx, switching.Options{To: install.Aggregated, Strategy: switching.API})
		refused := (*switching.RefusedError)(nil)
		Expect(errors.As(err, &refused)).To(BeTrue(), "it is an error like any other: %v", err)
		Expect(refused.Reasons).To(ConsistOf(And(ContainSubstring(namespace()+"/refused"), ContainSubstring("no such Secret"))))
		Expect(s.lives(ctx)).To(Equal(before))
		now := s.allOwned(ctx, namespace())
		for child, was := range owned {
			Expect(now).To(HaveKeyWithValue(child, was))
		}
		Expect(serving(ctx)).To(Equal(install.CRD))
		Expect(s.Installer.Install(ctx, install.CRD, "")).To(Succeed(), "a switch that was refused is under way")
		s.remove(ctx, namespace(), "refused")
	})

	It("can be taken back before the other form has served, through the API", func(ctx context.Context) {
		instance, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		owned := s.allOwned(ctx, namespace())
		result, err := run(ctx, switching.Options{To: install.Aggregated, Strategy: switching.API, Until: switching.Verify})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Moved.Objects).To(BeNumerically(">", 0))
		Expect(s.allOwned(ctx, namespace())).To(BeEmpty(), "a child still names an owner that is about to be another")

		_, err = run(ctx, switching.Options{Rollback: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.allOwned(ctx, namespace())).To(Equal(owned))
		Expect(serving(ctx)).To(Equal(install.CRD))
		again, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		Expect(again.UID).To(Equal(instance.UID))
		Expect(s.lives(ctx)).To(And(HaveKey("duet-controller"), Not(HaveKey(serverName))))
	})

	It("describes the form that serves, also after kube-apiserver was restarted", func(ctx context.Context) {
		read := s.readDescriptions(ctx)
		result, err := run(ctx, switching.Options{To: install.Aggregated})
		Expect(err).NotTo(HaveOccurred())
		Expect(read()).To(And(HaveKey("200"), HaveLen(1)), "what kubectl explain reads was not there at some time")
		Expect(result.Finished).To(BeTrue())
		Expect(result.Windows.WriteRefused.Duration).To(BeZero(), result.Windows.WriteRefusal)
		Expect(result.Windows.ReadRefused.Duration).To(BeZero(), result.Windows.ReadRefusal)
		Expect(serving(ctx)).To(Equal(install.Aggregated))
		Expect(s.documentedPaths(ctx, "/openapi/v2")).To(ContainElements(ofDefinition, ofServer))
		for range 100 { // of two documents it would be now this one and now that
			Expect(s.documentedPaths(ctx, documentOfVersion)).To(ContainElements(ofDefinition, ofServer))
		}
		Expect(s.explained(ctx)).To(ContainSubstring("minorUpgradePolicy"))

		Expect(s.Plane.Runner().Restart(ctx, controlplane.APIServer)).To(Succeed())
		Eventually(s.Ready).WithContext(ctx).Should(Succeed())
		for _, document := range []string{"/openapi/v2", documentOfVersion} {
			Eventually(s.documentedPaths).WithContext(ctx).WithArguments(document).Should(ContainElements(ofDefinition, ofServer))
		}
		Expect(s.explained(ctx)).To(ContainSubstring("minorUpgradePolicy"))
	})

	It("can be taken back from a server that is dead", func(ctx context.Context) {
		was, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Plane.Runner().Kill(ctx, serverName)).To(Succeed())
		_, err = run(ctx, switching.Options{Rollback: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(serving(ctx)).To(Equal(install.CRD))
		now, err := s.instance(ctx, namespace(), "db")
		Expect(err).NotTo(HaveOccurred())
		Expect(now.UID).To(Equal(was.UID))

		_, err = run(ctx, switching.Options{To: install.Aggregated})
		Expect(err).NotTo(HaveOccurred())
		Expect(serving(ctx)).To(Equal(install.Aggregated))
	})

	It("is refused while another duet is at work, and changes nothing then", func(ctx context.Context) {
		release, err := s.Installer.Lock()
		Expect(err).NotTo(HaveOccurred())
		defer release()
		before := s.lives(ctx)
		_, err = run(ctx, switching.Options{To: install.CRD})
		refused := (*switching.RefusedError)(nil)
		Expect(errors.As(err, &refused)).To(BeTrue(), "it is an error like any other: %v", err)
		Expect(s.Installer.Install(ctx, install.Aggregated, "")).To(MatchError(ContainSubstring("another duet")))
		result, err := run(ctx, switching.Options{To: install.CRD, DryRun: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.DryRun).To(BeTrue())
		Expect(s.lives(ctx)).To(Equal(before))
	})

	It("goes back with what was stored as protobuf", func(ctx context.Context) {
		Expect(s.storeAs(ctx, "application/vnd.kubernetes.protobuf")).To(Succeed())
		s.create(ctx, namespace(), "encoded")
		key := install.Group + "/mysqlinstances/" + namespace() + "/encoded"
		Expect(s.stored(ctx, key)).To(HavePrefix("k8s\x00"))

		_, err := run(ctx, switching.Options{To: install.CRD})
		Expect(err).To(MatchError(ContainSubstring("--storage-media-type")))
		Expect(serving(ctx)).To(Equal(install.Aggregated))

		Expect(s.storeAs(ctx, "application/json")).To(Succeed())
		read := s.readDescriptions(ctx)
		_, err = run(ctx, switching.Options{To: install.CRD})
		Expect(err).NotTo(HaveOccurred())
		Expect(read()).To(And(HaveKey("200"), HaveLen(1)), "what kubectl explain reads was not there at some time")
		Expect(s.stored(ctx, key)).To(HavePrefix("{"))
		Expect(serving(ctx)).To(Equal(install.CRD))
		s.remove(ctx, namespace(), "encoded")
	})

	It("describes the definition when that serves again, also after kube-apiserver was restarted", func(ctx context.Context) {
		described := func(ctx context.Context) {
			GinkgoHelper()
			for _, document := range []string{"/openapi/v2", documentOfVersion} {
				Eventually(s.documentedPaths).WithContext(ctx).WithArguments(document).
					Should(And(ContainElement(ofDefinition), Not(ContainElement(ofServer))), document)
			}
			Expect(s.explained(ctx)).To(ContainSubstring("minorUpgradePolicy"))
		}
		described(ctx)
		Expect(s.Plane.Runner().Restart(ctx, controlplane.APIServer)).To(Succeed())
		Eventually(s.Ready).WithContext(ctx).Should(Succeed())
		described(ctx)
	})
}

// distrusted is a form whose registrations name a certificate authority that its server has no certificate of.
type distrusted struct {
	install.Implementation
	bundle []byte
}

// Plan implements install.Implementation.
func (d distrusted) Plan(ctx context.Context, env *install.Environment, profile string) (*install.Plan, error) {
	plan, err := d.Implementation.Plan(ctx, env, profile)
	if err != nil {
		return nil, err
	}
	for _, object := range plan.Objects {
		if err := unstructured.SetNestedField(object.Object, base64.StdEncoding.EncodeToString(d.bundle), "spec", "caBundle"); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// Paths that both forms document, and that only the server does, and the document of a version in OpenAPI v3.
const (
	ofDefinition      = "/apis/" + install.Group + "/v1/namespaces/{namespace}/mysqlinstances/{name}"
	ofServer          = ofDefinition + "/backup"
	documentOfVersion = "/openapi/v3/apis/" + install.Group + "/v1"
)

// switching runs a switch.
func (s *site) switching(ctx context.Context, options switching.Options) (*switching.Result, error) {
	return switching.New(s.Installer, func(format string, args ...any) { GinkgoWriter.Printf(format+"\n", args...) }).
		Run(ctx, options)
}

// interrupted runs a switch until something is told that begins so, after a certain line if there is one.
func (s *site) interrupted(ctx context.Context, options switching.Options, after, at string) {
	GinkgoHelper()
	ctx, interrupt := context.WithCancel(ctx)
	defer interrupt()
	near := after == ""
	tell := func(format string, args ...any) {
		line := strings.TrimSpace(fmt.Sprintf(format, args...))
		GinkgoWriter.Println(line)
		if near && strings.HasPrefix(line, at) {
			interrupt()
		}
		near = near || line == after
	}
	before := s.Installer.Progress
	defer func() { s.Installer.Progress = before }()
	s.Installer.Progress = tell
	_, err := switching.New(s.Installer, tell).Run(ctx, options)
	Expect(err).To(HaveOccurred(), "it was not interrupted")
}

// allOwned are the children in a namespace, as owned says.
func (s *site) allOwned(ctx context.Context, namespace string) map[string]identity {
	GinkgoHelper()
	owned, err := s.owned(ctx, namespace)
	Expect(err).NotTo(HaveOccurred())
	return owned
}

// storeAs installs the aggregated form again, with a server that stores in an encoding.
func (s *site) storeAs(ctx context.Context, mediaType string) error {
	s.Installer.Env.Amend = func(spec process.Spec) process.Spec {
		if spec.Name == serverName && mediaType != "application/json" {
			spec.Args = append(slices.Clone(spec.Args), "--storage-media-type="+mediaType)
		}
		return spec
	}
	return s.Installer.Install(ctx, install.Aggregated, "")
}

// stored is what the control plane's etcd holds for a key.
func (s *site) stored(ctx context.Context, key string) (string, error) {
	access := s.Plane.Etcd()
	client, err := access.Client()
	if err != nil {
		return "", err
	}
	defer client.Close()
	answer, err := client.Get(ctx, access.Prefix+"/"+key)
	if err != nil || len(answer.Kvs) == 0 {
		return "", err
	}
	return string(answer.Kvs[0].Value), nil
}

// explained is what kubectl explain says of the fields of a spec.
func (s *site) explained(ctx context.Context) string {
	GinkgoHelper()
	return suite.Kubectl(ctx, s.Site, "explain", "mysqlinstances.spec")
}

// readDescriptions reads what kubectl explain does, the index of OpenAPI v3 and then where that has the document of a
// version, again and again until the function is called that it returns, which then says how many reads ended how.
func (s *site) readDescriptions(ctx context.Context) func() map[string]int {
	GinkgoHelper()
	client, err := discovery.NewDiscoveryClientForConfig(s.Config())
	Expect(err).NotTo(HaveOccurred())
	read := func() string {
		index, err := client.OpenAPIV3().Paths()
		if err != nil {
			return err.Error()
		}
		document := index[strings.TrimPrefix(documentOfVersion, "/openapi/v3/")]
		if document == nil {
			return "not in the index"
		}
		if _, err := document.Schema(runtime.ContentTypeJSON); err != nil {
			return err.Error()
		}
		return "200"
	}
	ctx, enough := context.WithCancel(ctx)
	ended := make(chan map[string]int)
	go func() {
		endings := map[string]int{}
		for ctx.Err() == nil {
			endings[read()]++
		}
		ended <- endings
	}()
	return func() map[string]int {
		enough()
		endings := <-ended
		GinkgoWriter.Printf("descriptions read: %v\n", endings)
		return endings
	}
}

// documentedPaths are those of the group in an OpenAPI document.
func (s *site) documentedPaths(ctx context.Context, of string) ([]string, error) {
	client, err := kubernetes.NewForConfig(s.Config())
	if err != nil {
		return nil, err
	}
	body, err := client.RESTClient().Get().AbsPath(of).SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var document struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, err
	}
	var paths []string
	for path := range document.Paths {
		if strings.HasPrefix(path, "/apis/"+fixture.Group) {
			paths = append(paths, path)
		}
	}
	return paths, nil
}
