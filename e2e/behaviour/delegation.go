package behaviour

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var delegationRows = []Row{
	{
		ID: "F4", Group: Security, Title: "How often one request is authorized",
		Why:    "Each request to an aggregated API is two decisions, and the second is a request of its own.",
		Source: "configure-aggregation-layer; apiserver pkg/server/options/authorization.go", Flag: Documented,
		Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{CRD: "one get: 0 SubjectAccessReviews", Aggregated: "one get: 1 SubjectAccessReview"},
		Probe:  reviewsOfOne,
	},
	{
		ID: "F5", Group: Security, Title: "Which decisions are remembered",
		Why: "The answer is kept for 10 s by what was asked, the object's name included: reading many objects once asks " +
			"once for each.",
		Source: "apiserver plugin/pkg/authorizer/webhook/webhook.go; k/k#79939", Flag: Undocumented,
		Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD:        "5 gets of one name 0 reviews, 1 get each of 5 names 0 reviews, 5 lists 0 reviews",
			Aggregated: "5 gets of one name 1 review, 1 get each of 5 names 5 reviews, 5 lists 1 review",
		},
		Probe: reviewsRemembered,
	},
	{
		ID: "F6", Group: Security, Title: "Members of system:masters",
		Why:    "They are never asked about, so that a measurement as cluster administrator leaves out what users pay for.",
		Source: "apiserver pkg/server/options/authorization.go, AlwaysAllowGroups", Flag: Undocumented,
		Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD:        "gets of 5 names as a user 0 reviews, as a member 0 reviews",
			Aggregated: "gets of 5 names as a user 5 reviews, as a member 0 reviews",
		},
		Probe: reviewsOfMasters,
	},
	{
		ID: "F13", Group: Security, Title: "An authorizer that looks at field selectors",
		Why:    "A node may list its own pods only; the same can be had for one's own kind.",
		Source: "KEP-4601, AuthorizeWithSelectors; an aggregated server passes the selector on in its review", Flag: Parity,
		Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Both("list with the selector 200, without it 403, with another 403"),
		Probe:  selectorAware,
	},
	{
		ID: "F7", Group: Security, Title: "A right that is taken away",
		Why: "At its own port an aggregated server goes on allowing what it was told up to 10 s ago; through kube-apiserver " +
			"the right is gone at once.",
		Source: "apiserver pkg/server/options/authorization.go, AllowCacheTTL", Flag: Undocumented,
		Labels: []string{Slow}, Site: true,
		Expect: Expectation{
			CRD:        "once kube-apiserver refuses: kube-apiserver 403; in the end 403",
			Aggregated: "once kube-apiserver refuses: kube-apiserver 403, duet-apiserver 200; in the end 403",
		},
		Probe: revocation,
	},
}

// asReader is a user who may read, on a production annex, and the reviews that were asked about them since.
func asReader(ctx context.Context, s *Subject, groups ...string) (*Subject, *wire.Client, *reviews, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return nil, nil, nil, err
	}
	name := "reader-in-" + there.Namespace
	config, err := there.user(name, groups...)
	if err != nil {
		return nil, nil, nil, err
	}
	client, err := there.reader(ctx, config, name)
	if err != nil {
		return nil, nil, nil, err
	}
	trail, err := there.trail(ctx)
	return there, client, &reviews{trail: trail, user: name}, err
}

// reviews are the SubjectAccessReviews that kube-apiserver was asked for about a user.
type reviews struct {
	trail *trail
	user  string
	seen  int
}

// more is how many there are since the last call.
func (r *reviews) more(ctx context.Context) (string, error) {
	if err := r.trail.complete(ctx); err != nil {
		return "", err
	}
	events, err := r.trail.events(r.trail.servers[0])
	if err != nil {
		return "", err
	}
	count := 0
	for _, event := range events {
		if event.ObjectRef == nil || event.ObjectRef.Resource != "subjectaccessreviews" || event.RequestObject == nil {
			continue
		}
		var review authorizationv1.SubjectAccessReview
		if err := json.Unmarshal(event.RequestObject.Raw, &review); err != nil {
			return "", fmt.Errorf("could not read a SubjectAccessReview in the audit log: %w", err)
		}
		if review.Spec.User == r.user {
			count++
			r.trail.subject.recorder.Note("SubjectAccessReview", string(event.RequestObject.Raw))
		}
	}
	more := count - r.seen
	r.seen = count
	return fmt.Sprintf("%d review%s", more, choose(more == 1, "", "s")), nil
}

func reviewsOfOne(ctx context.Context, s *Subject) (Observation, error) {
	there, client, asked, err := asReader(ctx, s)
	if err != nil {
		return Observation{}, err
	}
	if _, err := client.Send(ctx, "GET", there.path("db-2"), nil); err != nil {
		return Observation{}, err
	}
	count, err := asked.more(ctx)
	return Observation{Summary: "one get: " + strings.Replace(count, "review", "SubjectAccessReview", 1)}, err
}

func reviewsRemembered(ctx context.Context, s *Subject) (Observation, error) {
	there, client, asked, err := asReader(ctx, s)
	if err != nil {
		return Observation{}, err
	}
	const times = 5
	var seen []string
	for _, requests := range []struct {
		title string
		path  func(int) string
	}{
		{"5 gets of one name", func(int) string { return there.path("one") }},
		{"1 get each of 5 names", func(i int) string { return there.path(fmt.Sprintf("name-%d", i)) }},
		{"5 lists", func(int) string { return there.path() }},
	} {
		for i := range times {
			if _, err := client.Send(ctx, "GET", requests.path(i), nil); err != nil {
				return Observation{}, err
			}
		}
		count, err := asked.more(ctx)
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, requests.title+" "+count)
	}
	return observed("%s", strings.Join(seen, ", "))
}

func reviewsOfMasters(ctx context.Context, s *Subject) (Observation, error) {
	var seen []string
	for _, who := range []struct {
		title  string
		groups []string
	}{{"as a user", nil}, {"as a member", []string{"system:masters"}}} {
		there, client, asked, err := asReader(ctx, s, who.groups...)
		if err != nil {
			return Observation{}, err
		}
		for i := range 5 {
			if _, err := client.Send(ctx, "GET", there.path(fmt.Sprintf("name-%d", i)), nil); err != nil {
				return Observation{}, err
			}
		}
		count, err := asked.more(ctx)
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, who.title+" "+count)
	}
	return observed("gets of 5 names %s", strings.Join(seen, ", "))
}

func selectorAware(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	config, err := there.user(selective)
	if err != nil {
		return Observation{}, err
	}
	client, err := wire.New(config)
	if err != nil {
		return Observation{}, err
	}
	selecting := func(selector string) []wire.Option { return []wire.Option{wire.Query("fieldSelector", selector)} }
	var seen []string
	for _, try := range []try{
		{title: "list with the selector", options: selecting("spec.version=8.4.3")},
		{title: "without it"},
		{title: "with another", options: selecting("spec.powerState=Stopped")},
	} {
		answer, err := client.Send(ctx, "GET", there.path(), nil, try.options...)
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, fmt.Sprintf("%s %d", try.title, answer.Code))
	}
	return observed("%s", strings.Join(seen, ", "))
}

func revocation(ctx context.Context, s *Subject) (Observation, error) {
	const user = "dismissed"
	config, err := s.user(user)
	if err != nil {
		return Observation{}, err
	}
	if _, err := s.reader(ctx, config, user); err != nil {
		return Observation{}, err
	}
	servers, err := s.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	code := func(v server) (int, error) {
		client, err := v.as(config)
		if err != nil {
			return 0, err
		}
		answer, err := client.Send(ctx, "GET", s.path("db"), nil)
		if err != nil {
			return 0, err
		}
		return answer.Code, nil
	}
	say := func(v server) (string, error) {
		answered, err := code(v)
		return fmt.Sprint(answered), err
	}
	kubernetes, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	// Every server has decided for this user just before the right goes.
	if _, err := each(servers, say); err != nil {
		return Observation{}, err
	}
	bindings := kubernetes.RbacV1().RoleBindings(s.Namespace)
	if err := bindings.Delete(ctx, user+"-"+fixture.Resource, metav1.DeleteOptions{}); err != nil {
		return Observation{}, fmt.Errorf("could not take the right away: %w", err)
	}
	refuses := func(v server) func(context.Context) (bool, error) {
		return func(context.Context) (bool, error) {
			answered, err := code(v)
			return answered == http.StatusForbidden, err
		}
	}
	if err := eventually(ctx, "kube-apiserver refuse", refuses(servers[0])); err != nil {
		return Observation{}, err
	}
	then, err := each(servers, say)
	if err != nil {
		return Observation{}, err
	}
	last := servers[len(servers)-1]
	if err := eventually(ctx, last.name()+" refuse", refuses(last)); err != nil {
		return Observation{}, err
	}
	return observed("once kube-apiserver refuses: %s; in the end 403", then)
}
