package behaviour

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

// failing are the labels of a row that disturbs the control plane.
var failing = []string{Slow, Disruptive}

// ownServer is what a form must have for its server to fail.
var ownServer = []install.Capability{install.OwnServer}

// outageRows are about a server that is not there.
var outageRows = []Row{
	{
		ID: "G1", Group: Failures, Title: "The form's own server is down",
		Why:    "What still works then decides whether it is an outage or an inconvenience.",
		Source: "custom-resources: an aggregated API is an additional service that could fail", Flag: Documented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "read, list, watch, label, delete: 200; create, change: 500 InternalError; " +
				"read in v1alpha1: 500 without a reason",
			Aggregated: "read, list, watch, create, change, label, read in v1alpha1, delete: 503 without a Status object",
		},
		Probe: serverDown,
	},
	{
		ID: "G7", Group: Failures, Title: "What tells that the form's own server is dead",
		Why: "With nothing to watch its endpoints it takes up to 30 seconds, in which every request tries to reach it; " +
			"of a webhook server nothing ever tells.",
		Source: "kube-aggregator pkg/controllers/status/remote/remote_available_controller.go: events, and every 30 s",
		Flag:   Undocumented, Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "at first read 200; then nothing says so, read 200",
			Aggregated: "at first read 503 \"connection refused\"; then v1 Available=False FailedDiscoveryCheck, " +
				"v1alpha1 Available=False FailedDiscoveryCheck, read 503 \"service unavailable\"",
		},
		Probe: noticed,
	},
	{
		ID: "A36", Group: Machinery, Title: "Discovery while the form's own server is down",
		Why:    "A group that vanishes looks deleted, and a group that is stale fails clients that want to know all groups.",
		Source: "kube-aggregator pkg/apiserver/handler_discovery.go; client-go discovery/aggregated_discovery.go",
		Flag:   Undocumented, Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "v1 Current with 1 resources, v1alpha1 Current with 1 resources; client-go: no error, the group is listed",
			Aggregated: "v1 Stale with 0 resources, v1alpha1 Stale with 0 resources; " +
				"client-go: an error about 2 versions, the group is listed",
		},
		Probe: staleDiscovery,
	},
	{
		ID: "G2", Group: Failures, Title: "Deleting an unrelated namespace while the form's own server is down",
		Why:    "One failing extension keeps every namespace of the cluster from going away.",
		Source: "kubernetes#60807, #75788, #83332, #119662; kueue#1769, #3943", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD:        "gone; gone once it is back",
			Aggregated: "Terminating, NamespaceDeletionDiscoveryFailure: DiscoveryFailed; gone once it is back",
		},
		Probe: unrelatedNamespace,
	},
}

// asked are requests of a user's day, and what they are called.
func (s *Subject) asked() []try {
	merge := []wire.Option{wire.PatchType(types.MergePatchType)}
	return []try{
		{title: "read", method: "GET", path: s.path("db")},
		{title: "list", method: "GET", path: s.path()},
		{title: "watch", method: "GET", path: s.path(), options: []wire.Option{
			wire.Query("watch", "true"), wire.Query("timeoutSeconds", "1"),
		}},
		{title: "create", method: "POST", path: s.path(), body: fixture.Instance("other")},
		{title: "change", method: "PATCH", path: s.path("db"), body: `{"spec":{"replicas":3}}`, options: merge},
		{title: "label", method: "PATCH", path: s.path("db"), body: `{"metadata":{"labels":{"a":"b"}}}`, options: merge},
		{title: "read in v1alpha1", method: "GET", path: s.alpha("db")},
		{title: "delete", method: "DELETE", path: s.path("db")},
	}
}

// answersByVerdict are what the server says to the requests, those with the same answer together.
func (s *Subject) answersByVerdict(ctx context.Context, tries []try) (string, error) {
	titles := map[string][]string{}
	var verdicts []string
	for _, try := range tries {
		answer, err := s.client.Send(ctx, try.method, try.path, try.body, try.options...)
		if err != nil {
			return "", err
		}
		verdict := answer.Verdict()
		if !slices.Contains(verdicts, verdict) {
			verdicts = append(verdicts, verdict)
		}
		titles[verdict] = append(titles[verdict], try.title)
	}
	var seen []string
	for _, verdict := range verdicts {
		seen = append(seen, strings.Join(titles[verdict], ", ")+": "+verdict)
	}
	return strings.Join(seen, "; "), nil
}

func serverDown(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.kill(ctx); err != nil {
		return Observation{}, err
	}
	seen, err := s.answersByVerdict(ctx, s.asked())
	return Observation{Summary: seen}, err
}

func noticed(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.runner().Kill(ctx, server.name); err != nil {
		return Observation{}, err
	}
	before, err := s.get(ctx, s.path("db"))
	if err != nil {
		return Observation{}, err
	}
	seen, err := server.await(ctx, metav1.ConditionFalse)
	if err != nil {
		return Observation{}, err
	}
	after, err := s.get(ctx, s.path("db"))
	if err != nil {
		return Observation{}, err
	}
	return observed("at first read %s; then %s, read %s", inItsWords(before), seen, inItsWords(after))
}

// inItsWords is the verdict of an answer, and the end of what it says if that is not in the API's own words.
func inItsWords(answer *wire.Answer) string {
	verdict, plain := strings.CutSuffix(answer.Verdict(), wire.NoStatus)
	if !plain {
		return verdict
	}
	text := strings.TrimSpace(string(answer.Body))
	return fmt.Sprintf("%s%q", verdict, strings.TrimSpace(text[strings.LastIndex(text, ":")+1:]))
}

func staleDiscovery(ctx context.Context, s *Subject) (Observation, error) {
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.kill(ctx); err != nil {
		return Observation{}, err
	}
	statuses, _, err := server.conditions(ctx)
	if err != nil {
		return Observation{}, err
	}
	var seen string
	err = eventually(ctx, "discovery follow the condition", func(ctx context.Context) (bool, error) {
		var stale int
		seen, stale, err = s.freshness(ctx)
		return stale == len(statuses), err
	})
	if err != nil {
		return Observation{}, err
	}
	client, err := discovery.NewDiscoveryClientForConfig(s.Config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a discovery client: %w", err)
	}
	groups, _, err := client.ServerGroupsAndResources()
	complaint := "no error"
	if failed, ok := discovery.GroupDiscoveryFailedErrorGroups(err); ok {
		complaint = fmt.Sprintf("an error about %d versions", len(failed))
	} else if err != nil {
		return Observation{}, err
	}
	listed := slices.ContainsFunc(groups, func(group *metav1.APIGroup) bool { return group.Name == fixture.Group })
	return observed("%s; client-go: %s, the group is %s", seen, complaint, choose(listed, "listed", "not listed"))
}

// freshness of each version of the group in aggregated discovery, and how many are stale.
func (s *Subject) freshness(ctx context.Context) (string, int, error) {
	document, err := stored(s.get(ctx, "/apis",
		wire.Accept("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")))
	if err != nil {
		return "", 0, err
	}
	stale := 0
	var seen []string
	groups, _ := document.Object["items"].([]any)
	for _, group := range groups {
		if nested(group, "metadata", "name") != fixture.Group {
			continue
		}
		versions, _ := nested(group, "versions").([]any)
		for _, version := range versions {
			resources, _ := nested(version, "resources").([]any)
			seen = append(seen, fmt.Sprintf("%v %v with %d resources",
				nested(version, "version"), nested(version, "freshness"), len(resources)))
			if nested(version, "freshness") == "Stale" {
				stale++
			}
		}
	}
	return strings.Join(seen, ", "), stale, nil
}

func unrelatedNamespace(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	name, err := makeNamespace(ctx, client, "unrelated")
	if err != nil {
		return Observation{}, err
	}
	if err := server.kill(ctx); err != nil {
		return Observation{}, err
	}
	err = client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not delete the namespace: %w", err)
	}
	during, err := namespaceFate(ctx, client, name)
	if err != nil {
		return Observation{}, err
	}
	if err := server.restore(ctx); err != nil {
		return Observation{}, err
	}
	err = eventually(ctx, "the namespace go", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
	if err != nil {
		return Observation{}, err
	}
	return observed("%s; gone once it is back", during)
}

// namespaceFate waits until a namespace that is being deleted is gone, or says why it is not.
func namespaceFate(ctx context.Context, client kubernetes.Interface, name string) (string, error) {
	fate := ""
	err := eventually(ctx, "what becomes of the namespace", func(ctx context.Context) (bool, error) {
		namespace, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			fate = "gone"
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for _, condition := range namespace.Status.Conditions {
			if condition.Status == corev1.ConditionTrue {
				fate = fmt.Sprintf("%s, %s: %s", namespace.Status.Phase, condition.Type, condition.Reason)
				return true, nil
			}
		}
		return false, nil
	})
	return fate, err
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
