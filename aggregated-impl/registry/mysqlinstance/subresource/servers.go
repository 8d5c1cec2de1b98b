package subresource

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// server returns the pod of an ordinal. A pod that has the name of one and not the labels of the instance's is somebody
// else's, and as good as none.
func server(ctx context.Context, pods coreclient.PodsGetter, instance *v1.MySQLInstance,
	ordinal int) (*corev1.Pod, error) {
	name := names.Server(instance.Name, ordinal)
	pod, err := pods.Pods(instance.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if !labels.SelectorFromSet(names.Labels(instance.Name)).Matches(labels.Set(pod.Labels)) {
		return nil, apierrors.NewNotFound(corev1.Resource("pods"), name)
	}
	return pod, nil
}
