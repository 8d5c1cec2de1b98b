package behaviour

import (
	"context"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var securityRows = []Row{
	{
		ID: "F17", Group: Security, Title: "A user without rights",
		Why:    "Nothing of an object may be seen or changed by whoever was not given the right.",
		Source: "authorization; an aggregated server asks kube-apiserver by SubjectAccessReview", Flag: Parity,
		Expect: Both("get 403 Forbidden, list 403 Forbidden, watch 403 Forbidden, create 403 Forbidden, " +
			"patch 403 Forbidden, delete 403 Forbidden; the object is unchanged"),
		Probe: withoutRights,
	},
	{
		ID: "F18", Group: Security, Title: "A user with the right to get",
		Why:    "Each verb is a right of its own, so a reader of one object cannot list them all.",
		Source: "rbac, Referring to resources", Flag: Parity,
		Expect: Both("get 200, list 403 Forbidden, create 403 Forbidden, delete 403 Forbidden"),
		Probe:  getOnly,
	},
	{
		ID: "D11", Group: Security, Title: "Rights on subresources",
		Why:    "A controller is given the status and nothing else.",
		Source: "rbac, Referring to resources", Flag: Parity,
		Expect: Both("patch status 200, patch the object 403 Forbidden, get scale 403 Forbidden"),
		Probe:  statusOnly,
	},
	{
		ID: "F19", Group: Security, Title: "Nobody: no credentials at all",
		Why:    "What anonymous may read, the whole network may read.",
		Source: "authentication, Anonymous requests", Flag: Parity,
		Expect: Both("list 403 Forbidden as system:anonymous, wrong token 401 Unauthorized"),
		Probe:  anonymous,
	},
	{
		ID: "F8", Group: Security, Title: "Impersonation",
		Why:    "`kubectl --as` must try the rights of the other user, not of the one who asks.",
		Source: "apiserver pkg/endpoints/filters/impersonation: resolved in kube-apiserver, before the proxy",
		Flag:   Parity,
		Expect: Both("as a user without rights 403 Forbidden, as the user with the right 200"),
		Probe:  impersonation,
	},
}

// grant gives a user rights on the resource, or on one of its subresources, in the subject's namespace.
func (s *Subject) grant(ctx context.Context, user, target string, verbs ...string) error {
	client, err := s.kubernetes()
	if err != nil {
		return err
	}
	name := strings.ReplaceAll(user+"-"+target, "/", "-")
	_, err = client.RbacV1().Roles(s.Namespace).Create(ctx, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{fixture.Group}, Resources: []string{target}, Verbs: verbs}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not create a role: %w", err)
	}
	_, err = client.RbacV1().RoleBindings(s.Namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not bind the role: %w", err)
	}
	return nil
}

// try is one request that a user may or may not be allowed to make.
type try struct {
	title, method, path string
	body                any
	options             []wire.Option
}

// answers are what the server says to each request, in order.
func answers(ctx context.Context, client *wire.Client, tries []try) (string, error) {
	var seen []string
	for _, try := range tries {
		answer, err := client.Send(ctx, try.method, try.path, try.body, try.options...)
		if err != nil {
			return "", err
		}
		seen = append(seen, try.title+" "+answer.Verdict())
	}
	return strings.Join(seen, ", "), nil
}

func (s *Subject) everyVerb() []try {
	return []try{
		{title: "get", method: "GET", path: s.path("db")},
		{title: "list", method: "GET", path: s.path()},
		{title: "watch", method: "GET", path: s.path(), options: []wire.Option{wire.Query("watch", "true")}},
		{title: "create", method: "POST", path: s.path(), body: fixture.Instance("mine")},
		{
			title: "patch", method: "PATCH", path: s.path("db"), body: `{"spec":{"replicas":9}}`,
			options: []wire.Option{wire.PatchType(types.MergePatchType)},
		},
		{title: "delete", method: "DELETE", path: s.path("db")},
	}
}

func withoutRights(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	stranger, err := s.as("stranger")
	if err != nil {
		return Observation{}, err
	}
	seen, err := answers(ctx, stranger, s.everyVerb())
	if err != nil {
		return Observation{}, err
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	unchanged := show(object, "spec", "replicas") == "1" && object.GetDeletionTimestamp() == nil
	return observed("%s; the object is %s", seen, choose(unchanged, "unchanged", "changed"))
}

func getOnly(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	const user = "reader"
	if err := s.grant(ctx, user, fixture.Resource, "get"); err != nil {
		return Observation{}, err
	}
	reader, err := s.as(user)
	if err != nil {
		return Observation{}, err
	}
	if err := granted(ctx, reader, s.path("db")); err != nil {
		return Observation{}, err
	}
	verbs := s.everyVerb()
	seen, err := answers(ctx, reader, []try{verbs[0], verbs[1], verbs[3], verbs[5]})
	return Observation{Summary: seen}, err
}

// granted waits until a right is known: the authorizer hears of a role a moment after it was written.
func granted(ctx context.Context, client *wire.Client, path string) error {
	return eventually(ctx, "the role in force", func(ctx context.Context) (bool, error) {
		answer, err := client.Send(ctx, "GET", path, nil)
		return err == nil && answer.OK(), err
	})
}

func statusOnly(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	const user = "status-writer"
	if err := s.grant(ctx, user, fixture.Resource+"/status", "get", "patch"); err != nil {
		return Observation{}, err
	}
	writer, err := s.as(user)
	if err != nil {
		return Observation{}, err
	}
	if err := granted(ctx, writer, s.path("db", "status")); err != nil {
		return Observation{}, err
	}
	merge := []wire.Option{wire.PatchType(types.MergePatchType)}
	seen, err := answers(ctx, writer, []try{
		{
			title: "patch status", method: "PATCH", path: s.path("db", "status"), options: merge,
			body: `{"status":{"primary":"nobody-0","replicas":0,"readyReplicas":0}}`,
		},
		{
			title: "patch the object", method: "PATCH", path: s.path("db"), options: merge,
			body: `{"spec":{"replicas":3}}`,
		},
		{title: "get scale", method: "GET", path: s.path("db", "scale")},
	})
	return Observation{Summary: seen}, err
}

func anonymous(ctx context.Context, s *Subject) (Observation, error) {
	nobody, err := wire.New(s.recorder.Wrap(rest.AnonymousClientConfig(s.Config)))
	if err != nil {
		return Observation{}, err
	}
	list, err := nobody.Send(ctx, "GET", s.path(), nil)
	if err != nil {
		return Observation{}, err
	}
	name := "somebody"
	if status := list.Status(); status != nil && strings.Contains(status.Message, `"system:anonymous"`) {
		name = "system:anonymous"
	}
	config := rest.AnonymousClientConfig(s.Config)
	config.BearerToken = "not-a-token"
	forger, err := wire.New(s.recorder.Wrap(config))
	if err != nil {
		return Observation{}, err
	}
	wrong, err := forger.Send(ctx, "GET", s.path(), nil)
	if err != nil {
		return Observation{}, err
	}
	return observed("list %s as %s, wrong token %s", list.Verdict(), name, wrong.Verdict())
}

func impersonation(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	if err := s.grant(ctx, "allowed", fixture.Resource, "get"); err != nil {
		return Observation{}, err
	}
	pretending := func(user string) (*wire.Client, error) {
		config := rest.CopyConfig(s.Config)
		config.Impersonate.UserName = user
		return wire.New(config)
	}
	stranger, err := pretending("stranger")
	if err != nil {
		return Observation{}, err
	}
	refused, err := stranger.Send(ctx, "GET", s.path("db"), nil)
	if err != nil {
		return Observation{}, err
	}
	allowed, err := pretending("allowed")
	if err != nil {
		return Observation{}, err
	}
	if err := granted(ctx, allowed, s.path("db")); err != nil {
		return Observation{}, err
	}
	accepted, err := allowed.Send(ctx, "GET", s.path("db"), nil)
	if err != nil {
		return Observation{}, err
	}
	return observed("as a user without rights %s, as the user with the right %s",
		refused.Verdict(), accepted.Verdict())
}
