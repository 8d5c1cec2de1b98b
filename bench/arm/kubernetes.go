package arm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	// owner labels what the benchmark makes, and names the role it makes.
	ownerLabel = "app.kubernetes.io/managed-by"
	owner      = "duet-bench"
	// settle bounds the time until new rights are in force.
	settle = time.Minute
	// emptying bounds the time until a removed namespace is gone. A server takes up to ten milliseconds for each object,
	// and there may be a hundred thousand.
	emptying = 20 * time.Minute
	poll     = 100 * time.Millisecond
)

// Kubernetes is a resource of a Kubernetes API.
type Kubernetes struct {
	// Config reaches the API as the user whose requests are measured. It must not be in system:masters, who skip
	// authorization and priority: Prepare refuses such a user.
	Config *rest.Config
	// Admin reaches the control plane as an administrator, to make and remove namespaces and rights.
	Admin *rest.Config
	// Identity reaches kube-apiserver as the same user, to learn who that is, where Config reaches a server that does not
	// say. Nil means Config.
	Identity *rest.Config
	// Masters says that the user is meant to be in system:masters. An arm that skips authorization and priority has a name
	// that says so.
	Masters bool
	// Site is behind the API, if the benchmark may do with it as it likes; nil otherwise.
	Site Site
}

// Prepare makes the arm's two namespaces and gives its user the rights that the scenarios need, there and nowhere else.
// It returns when they are in force.
func (k Kubernetes) Prepare(ctx context.Context, a *Arm) error {
	if k.Config == nil || k.Admin == nil {
		return fmt.Errorf("could not use arm %q: it has no client configuration", a.Name)
	}
	name, err := k.userName(ctx, a)
	if err != nil {
		return err
	}
	admin, err := clientset(k.Admin)
	if err != nil {
		return err
	}
	for _, namespace := range []string{a.Namespace, a.Scratch()} {
		if err := a.prepareNamespace(ctx, admin, namespace, name); err != nil {
			return fmt.Errorf("could not prepare namespace %s for arm %s: %w", namespace, a.Name, err)
		}
	}
	return a.awaitRights(ctx)
}

// userName asks the server who the arm's user is, and refuses one whose requests would not be those of a normal user.
func (k Kubernetes) userName(ctx context.Context, a *Arm) (string, error) {
	config := k.Config
	if k.Identity != nil {
		config = k.Identity
	}
	client, err := clientset(config)
	if err != nil {
		return "", err
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().
		Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("could not learn who the user of arm %s is: %w", a.Name, err)
	}
	info := review.Status.UserInfo
	privileged := slices.Contains(info.Groups, user.SystemPrivilegedGroup)
	switch {
	case k.Masters && !privileged:
		return "", fmt.Errorf("could not use %q for arm %s: it is not in %s", info.Username, a.Name, user.SystemPrivilegedGroup)
	case !k.Masters && privileged:
		return "", fmt.Errorf("could not use %q for arm %s: members of %s skip authorization and priority, "+
			"so their requests measure something else; use a user with RBAC rights", info.Username, a.Name,
			user.SystemPrivilegedGroup)
	}
	return info.Username, nil
}

func (a *Arm) prepareNamespace(ctx context.Context, admin kubernetes.Interface, namespace, user string) error {
	labels := map[string]string{ownerLabel: owner}
	_, err := admin.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: owner, Labels: labels},
		Rules: []rbacv1.PolicyRule{
			{
				APIGroups: []string{a.Kind.Resource.Group},
				Resources: []string{a.Kind.Resource.Resource},
				Verbs:     []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"},
			},
			{
				APIGroups: []string{a.Kind.Resource.Group},
				Resources: []string{a.Kind.Resource.Resource + "/status"},
				Verbs:     []string{"update"},
			},
		},
	}
	if _, err := admin.RbacV1().Roles(namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: owner, Labels: labels},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: owner},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	_, err = admin.RbacV1().RoleBindings(namespace).Create(ctx, binding, metav1.CreateOptions{})
	return err
}

// awaitRights lists as the arm's user until that is allowed: authorizers learn of new rights from a watch, and an
// aggregated server remembers a refusal for a while.
func (a *Arm) awaitRights(ctx context.Context) error {
	client, err := a.NewClient()
	if err != nil {
		return err
	}
	defer client.Close()
	var answer bytes.Buffer
	var last error
	for _, namespace := range []string{a.Namespace, a.Scratch()} {
		err := wait.PollUntilContextTimeout(ctx, poll, settle, true, func(ctx context.Context) (bool, error) {
			_, last = client.List(ctx, namespace, &answer)
			return last == nil, nil
		})
		if err != nil {
			return fmt.Errorf("could not list %s in namespace %s as the user of arm %s (%w): %w",
				a.Kind.Resource.Resource, namespace, a.Name, err, last)
		}
	}
	return nil
}

// Cleanup removes the namespaces and all that is in them, and returns when they are gone. Removing what is not there
// is no error. It works with a cancelled context too, in bounded time: the caller's interruption must leave no litter.
func (k Kubernetes) Cleanup(ctx context.Context, a *Arm) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), emptying)
	defer cancel()
	admin, err := clientset(k.Admin)
	if err != nil {
		return err
	}
	namespaces := []string{a.Namespace, a.Scratch()}
	var failed []error
	for _, namespace := range namespaces {
		if err := remove(ctx, admin, namespace); err != nil {
			failed = append(failed, fmt.Errorf("could not delete namespace %s: %w", namespace, err))
		}
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	for _, namespace := range namespaces {
		err := wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
			_, err := admin.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("namespace %s is still being deleted after %v; see its conditions for "+
				"what holds it: %w", namespace, emptying, err))
		}
	}
	return errors.Join(failed...)
}

// remove deletes a namespace of the benchmark's own. One that somebody else made is never touched.
func remove(ctx context.Context, admin kubernetes.Interface, namespace string) error {
	found, err := admin.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case found.Labels[ownerLabel] != owner:
		return fmt.Errorf("it was not made by the benchmark (no label %s=%s)", ownerLabel, owner)
	}
	err = admin.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{
		Preconditions: metav1.NewUIDPreconditions(string(found.UID)),
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func clientset(config *rest.Config) (kubernetes.Interface, error) {
	client, err := kubernetes.NewForConfig(unlimited(config))
	if err != nil {
		return nil, fmt.Errorf("could not make a client for %s: %w", config.Host, err)
	}
	return client, nil
}

// unlimited is access without a rate limit of its own.
func unlimited(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	return config
}

// Can implements Target.
func (k Kubernetes) Can() Ability {
	if k.Site != nil {
		return Own
	}
	return ServeAPI
}
