package arm

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Site is what an API consists of, where the benchmark may do with it as it likes. None of its methods measures.
type Site interface {
	// Install puts all parts into place, and returns when everything answers. The controller does not run then.
	Install(ctx context.Context) error
	// Uninstall takes the parts and all objects away.
	Uninstall(ctx context.Context) error
	// StopServer kills the process that serves the resource, and StartServer starts it, without waiting for it.
	StopServer(ctx context.Context) error
	StartServer(ctx context.Context) error
	// StartController lets the kind's controller act on all objects that there are, StopController ends that.
	StartController(ctx context.Context) error
	StopController(ctx context.Context) error
}

// Owned is a target whose site is the benchmark's own.
type Owned interface {
	// Own is the site.
	Own() Site
	// Children counts what the controller has made in a namespace and is not gone yet.
	Children(ctx context.Context, namespace string) (int, error)
}

// Own implements Owned.
func (k Kubernetes) Own() Site { return k.Site }

// Children implements Owned, as an administrator.
func (k Kubernetes) Children(ctx context.Context, namespace string) (int, error) {
	client, err := clientset(k.Admin)
	if err != nil {
		return 0, err
	}
	sets, err := client.AppsV1().StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("could not count the StatefulSets in %s: %w", namespace, err)
	}
	services, err := client.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("could not count the Services in %s: %w", namespace, err)
	}
	secrets, err := client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("could not count the Secrets in %s: %w", namespace, err)
	}
	return len(sets.Items) + len(services.Items) + len(secrets.Items), nil
}
