package arm

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

// User is an ordinary RBAC user on a cluster whose certificates belong to somebody else: a ServiceAccount in a namespace
// of its own, with no rights but those that arms give it.
type User struct {
	// Config reaches the cluster as that user.
	Config *rest.Config

	admin     kubernetes.Interface
	namespace string
}

// NewUser makes a user whose token is good for so long, at least. Remove it in the end.
func NewUser(ctx context.Context, admin *rest.Config, lasts time.Duration) (*User, error) {
	client, err := clientset(admin)
	if err != nil {
		return nil, err
	}
	namespace, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: owner + "-user-", Labels: map[string]string{ownerLabel: owner},
	}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("could not make a namespace for the benchmark's user: %w", err)
	}
	u := &User{admin: client, namespace: namespace.Name}
	token, err := u.token(ctx, lasts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("could not make a user for the benchmark: %w", err), u.Remove(ctx))
	}
	u.Config = rest.AnonymousClientConfig(admin)
	u.Config.BearerToken = token
	return u, nil
}

func (u *User) token(ctx context.Context, lasts time.Duration) (string, error) {
	const shortest = 10 * time.Minute // a server refuses less
	lasts = max(lasts, shortest)
	accounts := u.admin.CoreV1().ServiceAccounts(u.namespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: owner}, AutomountServiceAccountToken: ptr.To(false)}
	if _, err := accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return "", err
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: ptr.To(int64(lasts.Seconds())),
	}}
	answer, err := accounts.CreateToken(ctx, owner, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	const skew = time.Minute
	if left := time.Until(answer.Status.ExpirationTimestamp.Time); left < lasts-skew {
		return "", fmt.Errorf("the cluster gives tokens for %v, and the run takes up to %v: measure less at once",
			left.Round(time.Second), lasts.Round(time.Second))
	}
	return answer.Status.Token, nil
}

// Remove takes the user and its namespace away. It works with a cancelled context too, in bounded time.
func (u *User) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	if err := remove(ctx, u.admin, u.namespace); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("could not delete namespace %s: %w", u.namespace, err)
	}
	return nil
}

// UserConfig reaches the API as the arm's user.
func (k Kubernetes) UserConfig() *rest.Config { return k.Config }
