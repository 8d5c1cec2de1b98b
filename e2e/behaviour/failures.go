package behaviour

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	"k8s.io/kubectl/pkg/cmd/apiresources"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

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
		ID: "G5", Group: Failures, Title: "kubectl while the form's own server is down",
		Why:    "A script stops at an exit code that has nothing to do with what it asked for.",
		Source: "kueue#1519, calico#7555, rancher#56107", Flag: Undocumented,
		Labels: failing, Needs: ownServer, Site: true,
		Expect: Expectation{
			CRD: "api-resources works; api-versions works; get configmaps works; get all works; get mysqlinstances works",
			Aggregated: "api-resources fails: unable to retrieve the complete list of server APIs; api-versions works; " +
				"get configmaps works; get all works; " +
				"get mysqlinstances fails: the server doesn't have a resource type \"mysqlinstances\"",
		},
		Probe: kubectlDuringOutage,
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

func kubectlDuringOutage(ctx context.Context, s *Subject) (Observation, error) {
	server, err := s.backend(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := server.kill(ctx); err != nil {
		return Observation{}, err
	}
	var seen []string
	for _, command := range []struct {
		title string
		make  newCommand
		args  []string
	}{
		{title: "api-resources", make: newAPIResources},
		{title: "api-versions", make: newAPIVersions},
		{title: "get configmaps", make: newGet, args: []string{"configmaps"}},
		{title: "get all", make: newGet, args: []string{"all"}},
		{title: "get mysqlinstances", make: newGet, args: []string{"mysqlinstances"}},
	} {
		_, err := s.kubectl().run(ctx, command.make, command.args...)
		told := "works"
		if err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			told = "fails: " + firstClause(line)
		}
		seen = append(seen, command.title+" "+told)
	}
	return observed("%s", strings.Join(seen, "; "))
}

func newAPIVersions(factory cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	return apiresources.NewCmdAPIVersions(factory, streams)
}
