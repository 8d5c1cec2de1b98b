package arm

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/duet-api/duet/shared/names"
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
	// Clear deletes what the controller has made in a namespace, and says how much there was. The garbage collector would, too; but
	// for the children of 20 instances it takes a quarter of a minute, by its own rate limit, and longer where it has to try again.
	Clear(ctx context.Context, namespace string) (int, error)
}

// Own implements Owned.
func (k Kubernetes) Own() Site { return k.Site }

// children are the resources of what a controller makes for an instance that is stopped.
var children = []schema.GroupVersionResource{
	{Group: "apps", Version: "v1", Resource: "statefulsets"}, {Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}, {Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "secrets"}, {Version: "v1", Resource: "configmaps"},
}

// Clear implements Owned, as an administrator.
func (k Kubernetes) Clear(ctx context.Context, namespace string) (int, error) {
	client, err := dynamic.NewForConfig(unlimited(k.Admin))
	if err != nil {
		return 0, fmt.Errorf("could not make a client for %s: %w", k.Admin.Host, err)
	}
	ours := metav1.ListOptions{LabelSelector: names.LabelManagedBy + "=" + names.ManagedBy}
	left := 0
	for _, kind := range children {
		of := client.Resource(kind).Namespace(namespace)
		list, err := of.List(ctx, ours)
		if err != nil {
			return 0, fmt.Errorf("could not list the %s in %s: %w", kind.Resource, namespace, err)
		}
		if len(list.Items) == 0 {
			continue
		}
		left += len(list.Items)
		if err := of.DeleteCollection(ctx, metav1.DeleteOptions{}, ours); err != nil {
			return 0, fmt.Errorf("could not delete the %s in %s: %w", kind.Resource, namespace, err)
		}
	}
	return left, nil
}
