package behaviour

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/otlp"
	"github.com/duet-api/duet/e2e/wire"
)

var tracingRows = []Row{
	{
		ID: "H12", Group: Operations, Title: "The trace of a request over all servers",
		Why: "Where the time of a slow request went is only seen if every hop reports to one trace, and an aggregated " +
			"server begins another one unless the user is privileged, and reports under kube-apiserver's name.",
		Source: "https://kubernetes.io/docs/concepts/cluster-administration/system-traces/; " +
			"apiserver pkg/endpoints/filters/traces.go, pkg/server/options/tracing.go",
		Flag: Undocumented, Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD: "a user's request: 1 span of apiserver in 1 trace; one of system:masters: 1 span of apiserver in 1 trace",
			Aggregated: "a user's request: 2 spans of apiserver in 2 traces, linked; " +
				"one of system:masters: 2 spans of apiserver in 1 trace",
		},
		Probe: tracedRequest,
	},
}

// handled are the spans in which servers handled requests to a path.
func handled(spans []otlp.Span, path string) []otlp.Span {
	return slices.DeleteFunc(spans, func(s otlp.Span) bool { return s.Kind != otlp.Server || s.Path != path })
}

// describeTrace says how spans of one request hang together.
func describeTrace(spans []otlp.Span) string {
	services, traces := sets.New[string](), sets.New[string]()
	for _, each := range spans {
		services.Insert(each.Service)
		traces.Insert(each.Trace)
	}
	linked := slices.ContainsFunc(spans, func(each otlp.Span) bool {
		return slices.ContainsFunc(each.Links, func(link otlp.Reference) bool { return traces.Has(link.Trace) })
	})
	text := fmt.Sprintf("%d span%s of %s in %d trace%s", len(spans), choose(len(spans) == 1, "", "s"),
		strings.Join(sets.List(services), " and "), len(traces), choose(len(traces) == 1, "", "s"))
	if len(traces) == 1 {
		return text
	}
	return text + choose(linked, ", linked", ", not linked")
}

func tracedRequest(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	servers, err := there.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	master, err := there.user("root", "system:masters")
	if err != nil {
		return Observation{}, err
	}
	var seen []string
	for _, request := range []struct {
		who  string
		user *rest.Config
		path string // which nobody else asks for
	}{
		{"a user's request", there.Config, there.path("traced")},
		{"one of system:masters", master, there.path("traced-master")},
	} {
		client, err := wire.New(request.user)
		if err != nil {
			return Observation{}, err
		}
		if _, err := client.Send(ctx, "GET", request.path, nil); err != nil {
			return Observation{}, err
		}
		var spans []otlp.Span
		err = eventually(ctx, "a span of every server", func(context.Context) (bool, error) {
			spans = handled(s.Site.annex.spans.Spans(), request.path)
			return len(spans) >= len(servers), nil
		})
		if err != nil {
			return Observation{}, fmt.Errorf("%w; there are %s", err, describeTrace(spans))
		}
		for _, each := range spans {
			s.recorder.Note("span of "+each.Service, fmt.Sprintf("trace %s, span %s, parent %s, %s",
				each.Trace, each.ID, each.Parent, each.Name))
		}
		seen = append(seen, request.who+": "+describeTrace(spans))
	}
	return observed("%s", strings.Join(seen, "; "))
}
