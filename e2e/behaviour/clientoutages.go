package behaviour

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/cmd/apiresources"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// clientOutageRows are about what clients make of a form's server that is not there.
var clientOutageRows = []Row{
	{
		ID: "A41", Group: Machinery, Title: "The error of a server that cannot be reached",
		Why:    "A client that looks for a Status object finds a line of text instead, and has only the code to go by.",
		Source: "kube-aggregator pkg/apiserver/handler_proxy.go: http.Error", Flag: Undocumented,
		Labels: failing, Needs: []install.Capability{install.OwnServer, install.MultipleVersions}, Site: true,
		Expect: Expectation{
			CRD:        "read in v1alpha1 500 application/json with a Status object, client-go: 500 without a reason",
			Aggregated: "read in v1alpha1 503 text/plain without a Status object, client-go: 503 ServiceUnavailable",
		},
		Probe: unreachable,
	},
	{
		ID: "C3", Group: Versioning, Title: "Conversion while the form's own server is down",
		Why: "Every client of a version that is not stored loses it with the webhook, " +
			"and one broken conversion used to stop the garbage collector of the whole cluster.",
		Source: "kubernetes#110720, #101078, #127105, fixed by #125796", Flag: Undocumented,
		Labels: failing, Needs: []install.Capability{install.OwnServer, install.MultipleVersions}, Site: true,
		Expect: Expectation{
			CRD: "label in v1 200, read in v1 200, in v1alpha1 500 without a reason, list in v1 200, " +
				"in v1alpha1 500 without a reason; an unrelated child of an owner that was deleted is gone",
			Aggregated: "label in v1 503 without a Status object, read in v1 503 without a Status object, " +
				"in v1alpha1 503 without a Status object, list in v1 503 without a Status object, " +
				"in v1alpha1 503 without a Status object; an unrelated child of an owner that was deleted is gone",
		},
		Probe: conversionDown,
	},
	{
		ID: "I7", Group: Clients, Title: "An informer while the form's own server is down",
		Why:    "Every controller of the API starts from a full list again when it comes back, all at the same time.",
		Source: "client-go tools/cache/reflector.go", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "its watch goes on, it does not list again, and sees what comes after",
			Aggregated: "its watch is cut, it lists everything again, and sees what comes after",
		},
		Probe: informerThroughOutage,
	},
	{
		ID: "I8", Group: Clients, Title: "kubectl, and tools like it, while the form's own server is down",
		Why:    "A tool that stops at one broken group cannot deploy anything that has nothing to do with it.",
		Source: "kyverno#17216; client-go discovery: a group that fails is an error beside the others", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "api-resources with the others, with the group, succeeds; get all succeeds; " +
				"apply of a ConfigMap succeeds, the ConfigMap is done; apply of both fails, the ConfigMap is done",
			Aggregated: "api-resources with the others, without the group, fails; get all succeeds; " +
				"apply of a ConfigMap succeeds, the ConfigMap is done; apply of both fails, the ConfigMap is done",
		},
		Probe: toolsThroughOutage,
	},
}

// down ends the form's own server until the row is over.
func (s *Subject) down(ctx context.Context) (*backend, error) {
	server, err := s.backend(ctx)
	if err != nil {
		return nil, err
	}
	return server, server.kill(ctx)
}

func unreachable(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	if _, err := s.down(ctx); err != nil {
		return Observation{}, err
	}
	answer, err := s.get(ctx, s.alpha("db"))
	if err != nil {
		return Observation{}, err
	}
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a client: %w", err)
	}
	old := fixture.GVR.GroupResource().WithVersion(fixture.V1alpha1)
	_, failed := client.Resource(old).Namespace(s.Namespace).Get(ctx, "db", metav1.GetOptions{})
	understood := "no error"
	if status, ok := failed.(apierrors.APIStatus); ok {
		understood = fmt.Sprintf("%d %s", status.Status().Code, status.Status().Reason)
		if status.Status().Reason == "" {
			understood = fmt.Sprintf("%d without a reason", status.Status().Code)
		}
	}
	mediaType, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	return observed("read in v1alpha1 %d %s %s a Status object, client-go: %s", answer.Code, mediaType,
		choose(answer.Status() != nil, "with", "without"), understood)
}

func conversionDown(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	if _, err := s.down(ctx); err != nil {
		return Observation{}, err
	}
	// Until the first change a list in the old version may still come from what was converted before.
	label, err := s.patch(ctx, s.path("db"), `{"metadata":{"labels":{"a":"b"}}}`, wire.PatchType(types.MergePatchType))
	if err != nil {
		return Observation{}, err
	}
	seen := []string{"label in v1 " + label.Verdict()}
	for _, request := range []struct {
		name string
		path func(...string) string
		rest []string
	}{{"read in v1", s.path, []string{"db"}}, {"in v1alpha1", s.alpha, []string{"db"}},
		{"list in v1", s.path, nil}, {"in v1alpha1", s.alpha, nil}} {
		answer, err := s.get(ctx, request.path(request.rest...))
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, request.name+" "+answer.Verdict())
	}
	fate, err := s.unrelatedChild(ctx, client)
	if err != nil {
		return Observation{}, err
	}
	return observed("%s; an unrelated child of an owner that was deleted is %s", strings.Join(seen, ", "), fate)
}

// unrelatedChild deletes an owner that has nothing to do with the group, and says what becomes of its child.
func (s *Subject) unrelatedChild(ctx context.Context, client kubernetes.Interface) (string, error) {
	maps := client.CoreV1().ConfigMaps(s.Namespace)
	owner, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("could not create an owner: %w", err)
	}
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name:            "child",
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("could not create a child: %w", err)
	}
	background := metav1.DeletePropagationBackground
	if err := maps.Delete(ctx, "owner", metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		return "", fmt.Errorf("could not delete the owner: %w", err)
	}
	// Half a minute is how often the collector looks for new kinds, which is when a broken group could stop it.
	gone, err := holdsWithin(ctx, 40*time.Second, func(ctx context.Context) (bool, error) {
		_, err := maps.Get(ctx, "child", metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
	return choose(gone, "gone", "still there"), err
}

func informerThroughOutage(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("before")); err != nil {
		return Observation{}, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	store, asked, err := s.informer(running)
	if err != nil {
		return Observation{}, err
	}
	before := asked.listed()
	server, err := s.down(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.restore(ctx); err != nil {
		return Observation{}, err
	}
	if _, err := s.create(ctx, fixture.Instance("after")); err != nil {
		return Observation{}, err
	}
	err = eventually(ctx, "what came after the outage", func(context.Context) (bool, error) {
		_, found, err := store.GetByKey(s.Namespace + "/after")
		return found, err
	})
	if err != nil {
		return Observation{}, err
	}
	cut := "goes on"
	select {
	case <-asked.ended:
		cut = "is cut"
	default:
	}
	return observed("its watch %s, it %s, and sees what comes after", cut,
		choose(asked.listed() > before, "lists everything again", "does not list again"))
}

func newAPIResources(factory cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	return apiresources.NewCmdAPIResources(factory, streams)
}

func toolsThroughOutage(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	if _, err := s.down(ctx); err != nil {
		return Observation{}, err
	}
	kubectl := s.kubectl()
	resources, failed := kubectl.run(ctx, newAPIResources)
	listed := choose(strings.Contains(resources, fixture.Resource), "with the group", "without the group")
	others := choose(strings.Contains(resources, "configmaps"), "with the others", "without the others")
	seen := []string{fmt.Sprintf("api-resources %s, %s, %s", others, listed, ended(failed))}
	_, failed = kubectl.run(ctx, newGet, "all")
	seen = append(seen, "get all "+ended(failed))
	note := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "note", "namespace": s.Namespace},
	}}
	for _, manifest := range []struct {
		name    string
		objects []*unstructured.Unstructured
	}{
		{"a ConfigMap", []*unstructured.Unstructured{note}},
		{"both", []*unstructured.Unstructured{note, fixture.Instance("other", fixture.With("metadata.namespace", s.Namespace))}},
	} {
		file, remove, err := kubectl.file(manifest.objects...)
		if err != nil {
			return Observation{}, err
		}
		printed, failed := kubectl.run(ctx, newApply, "-f", file)
		remove()
		seen = append(seen, fmt.Sprintf("apply of %s %s, the ConfigMap %s", manifest.name, ended(failed),
			choose(strings.Contains(printed, "configmap/note"), "is done", "is not done")))
	}
	return observed("%s", strings.Join(seen, "; "))
}

// ended is how a command ended.
func ended(err error) string { return choose(err == nil, "succeeds", "fails") }
