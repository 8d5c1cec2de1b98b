package behaviour

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var identityRows = []Row{
	{
		ID: "F1", Group: Security, Title: "Who a server takes the user for",
		Why: "Behind a proxy the user's certificate does not arrive; a server that loses the groups decides wrongly.",
		Source: "https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/; " +
			"kube-aggregator handler_proxy.go",
		Flag: Documented, Site: true,
		Expect: Expectation{
			CRD:        "kube-apiserver jane of dev, ops",
			Aggregated: "kube-apiserver jane of dev, ops, duet-apiserver jane of dev, ops",
		},
		Probe: whoami,
	},
	{
		ID: "F2", Group: Security, Title: "Forged headers at the server's own port",
		Why:    "Whoever is believed about X-Remote-User can be any user.",
		Source: "configure-aggregation-layer, Kubernetes Apiserver Authorization", Flag: Parity, Site: true,
		Expect: Both("masters' header from the front proxy 200, from a user 403 as mallory, " +
			"from nobody 403 as system:anonymous"),
		Probe: forgedHeaders,
	},
	{
		ID: "F3", Group: Security, Title: "The ways in, and who is let through",
		Why:    "A server behind the aggregation layer has a port of its own, which must ask for credentials and rights too.",
		Source: "k8s.io/apiserver DelegatingAuthenticationOptions and DelegatingAuthorizationOptions", Flag: Undocumented,
		Site: true,
		Expect: Expectation{
			CRD: "kube-apiserver nobody 403, no right 403, the right 200, forged token 401",
			Aggregated: "kube-apiserver nobody 403, no right 403, the right 200, forged token 401, " +
				"duet-apiserver nobody 403, no right 403, the right 200, forged token 401",
		},
		Probe: waysIn,
	},
	{
		ID: "F9", Group: Security, Title: "The user's UID, and what a token says besides",
		Why: "The UID tells a service account from an earlier one of the same name, and gets lost on the way to an aggregated " +
			"server unless kube-apiserver has --requestheader-uid-headers, which nothing sets by default.",
		Source: "RemoteRequestHeaderUID (beta, on); kube-aggregator handler_proxy.go; kubeadm sets no such flag",
		Flag:   Undocumented, Site: true,
		Expect: Expectation{
			CRD: "kube-apiserver UID, authentication.kubernetes.io/credential-id",
			Aggregated: "kube-apiserver UID, authentication.kubernetes.io/credential-id, " +
				"duet-apiserver no UID, authentication.kubernetes.io/credential-id",
		},
		Probe: uidAndExtra,
	},
	{
		ID: "F10", Group: Security, Title: "Audit events of one create, with bodies",
		Why:    "kube-apiserver's audit log has no bodies of what it forwards: they are in the other server's, if it has one.",
		Source: "kube-aggregator handler_proxy.go; k/k#101597", Flag: Undocumented,
		Labels: []string{Slow, Disruptive}, Site: true,
		Expect: Expectation{
			CRD:        "kube-apiserver request body, response body",
			Aggregated: "kube-apiserver no body, duet-apiserver request body, response body",
		},
		Probe: auditBodiesOfCreate,
	},
}

func whoami(ctx context.Context, s *Subject) (Observation, error) {
	jane, err := s.user("jane", "dev", "ops")
	if err != nil {
		return Observation{}, err
	}
	return s.audited(ctx, jane, "jane", func(event auditv1.Event) string {
		groups := slices.DeleteFunc(slices.Clone(event.User.Groups), func(group string) bool {
			return strings.HasPrefix(group, "system:")
		})
		return event.User.Username + " of " + strings.Join(groups, ", ")
	})
}

// audited gives a user the right to get an instance, has them do it, and says what each server's event of that shows.
func (s *Subject) audited(ctx context.Context, config *rest.Config, user string,
	show func(auditv1.Event) string) (Observation, error) {
	client, err := s.reader(ctx, config, user)
	if err != nil {
		return Observation{}, err
	}
	trail, err := s.trail(ctx)
	if err != nil {
		return Observation{}, err
	}
	answer, err := client.Send(ctx, "GET", s.path("db"), nil)
	if err != nil {
		return Observation{}, err
	}
	return trail.show(ctx, answer, show)
}

// reader creates the instance db and gives a user all rights to read; it returns when the rights are in force.
func (s *Subject) reader(ctx context.Context, config *rest.Config, user string) (*wire.Client, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return nil, err
	}
	if err := s.grant(ctx, user, fixture.Resource, "get", "list", "watch"); err != nil {
		return nil, err
	}
	client, err := wire.New(config)
	if err != nil {
		return nil, err
	}
	return client, granted(ctx, client, s.path("db"))
}

// show says what each server's event of a request shows.
func (t *trail) show(ctx context.Context, answer *wire.Answer, show func(auditv1.Event) string) (Observation, error) {
	events, err := t.of(ctx, answer)
	if err != nil {
		return Observation{}, err
	}
	summary, err := each(t.servers, func(v server) (string, error) {
		event, ok := events[v.name()]
		if !ok {
			return "no event", nil
		}
		return show(event), nil
	})
	return Observation{Summary: summary}, err
}

// refused is the code of an answer, and who the server says was refused.
func refused(answer *wire.Answer) string {
	if status := answer.Status(); status != nil {
		if _, user, named := strings.Cut(status.Message, `User "`); named {
			user, _, _ = strings.Cut(user, `"`)
			return fmt.Sprintf("%d as %s", answer.Code, user)
		}
	}
	return fmt.Sprint(answer.Code)
}

func forgedHeaders(ctx context.Context, s *Subject) (Observation, error) {
	storing, err := s.storing(ctx)
	if err != nil {
		return Observation{}, err
	}
	mallory, err := s.user("mallory")
	if err != nil {
		return Observation{}, err
	}
	proxy, err := frontProxyIdentity(s.Site.Plane.PKIDir())
	if err != nil {
		return Observation{}, err
	}
	var seen []string
	for _, sender := range []struct {
		who    string
		config *rest.Config
	}{
		{"the front proxy", s.recorder.Wrap(proxy)},
		{"a user", mallory},
		{"nobody", s.recorder.Wrap(rest.AnonymousClientConfig(s.Config))},
	} {
		client, err := storing.as(sender.config)
		if err != nil {
			return Observation{}, err
		}
		answer, err := client.Send(ctx, "GET", s.path(), nil,
			header("X-Remote-User", "somebody"), header("X-Remote-Group", "system:masters"))
		if err != nil {
			return Observation{}, err
		}
		seen = append(seen, "from "+sender.who+" "+refused(answer))
	}
	return observed("masters' header %s", strings.Join(seen, ", "))
}

func waysIn(ctx context.Context, s *Subject) (Observation, error) {
	servers, err := s.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	nobody := s.recorder.Wrap(rest.AnonymousClientConfig(s.Config))
	forger := rest.CopyConfig(nobody)
	forger.BearerToken = "not-a-token"
	stranger, err := s.user("stranger")
	if err != nil {
		return Observation{}, err
	}
	reader, err := s.user("reader")
	if err != nil {
		return Observation{}, err
	}
	if _, err := s.reader(ctx, reader, "reader"); err != nil {
		return Observation{}, err
	}
	summary, err := each(servers, func(v server) (string, error) {
		var seen []string
		for _, sender := range []struct {
			who    string
			config *rest.Config
		}{{"nobody", nobody}, {"no right", stranger}, {"the right", reader}, {"forged token", forger}} {
			client, err := v.as(sender.config)
			if err != nil {
				return "", err
			}
			answer, err := client.Send(ctx, "GET", s.path("db"), nil)
			if err != nil {
				return "", err
			}
			seen = append(seen, fmt.Sprintf("%s %d", sender.who, answer.Code))
		}
		return strings.Join(seen, ", "), nil
	})
	return Observation{Summary: summary}, err
}

func uidAndExtra(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	accounts := client.CoreV1().ServiceAccounts(s.Namespace)
	account, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}},
		metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not create a service account: %w", err)
	}
	token, err := accounts.CreateToken(ctx, "robot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not get a token: %w", err)
	}
	config := rest.AnonymousClientConfig(s.Config)
	config.BearerToken = token.Status.Token
	user := "system:serviceaccount:" + s.Namespace + ":robot"
	return s.audited(ctx, s.recorder.Wrap(config), user, func(event auditv1.Event) string {
		uid := choose(event.User.UID == string(account.UID), "UID", "another UID")
		if event.User.UID == "" {
			uid = "no UID"
		}
		return strings.Join(append([]string{uid}, slices.Sorted(maps.Keys(event.User.Extra))...), ", ")
	})
}

func auditBodiesOfCreate(ctx context.Context, s *Subject) (Observation, error) {
	there, err := s.annex(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	trail, err := there.trail(ctx)
	if err != nil {
		return Observation{}, err
	}
	answer, err := there.post(ctx, there.path(), fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	return trail.show(ctx, answer, func(event auditv1.Event) string {
		var bodies []string
		if event.RequestObject != nil && len(event.RequestObject.Raw) > 0 {
			bodies = append(bodies, "request body")
		}
		if event.ResponseObject != nil && len(event.ResponseObject.Raw) > 0 {
			bodies = append(bodies, "response body")
		}
		if len(bodies) == 0 {
			return "no body"
		}
		return strings.Join(bodies, ", ")
	})
}
