package behaviour

import (
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestNamespaceThatDoesNotGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(&corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: "row"},
			Status: corev1.NamespaceStatus{Conditions: []corev1.NamespaceCondition{
				{Type: corev1.NamespaceDeletionDiscoveryFailure, Status: corev1.ConditionFalse, Message: "all is known"},
				{Type: corev1.NamespaceContentRemaining, Status: corev1.ConditionTrue, Message: "an instance is left"},
				{Type: corev1.NamespaceFinalizersRemaining, Status: corev1.ConditionTrue, Message: "with a finalizer"},
			}},
		})
		client.PrependReactor("delete", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, nil
		})
		err := removeNamespace(t.Context(), client, "row")
		if err == nil {
			t.Fatal("the namespace is there, and nothing says so")
		}
		const want = "context deadline exceeded; an instance is left; with a finalizer"
		if !strings.HasSuffix(err.Error(), want) {
			t.Errorf("the error is %q, which does not end with %q", err, want)
		}
	})
}
