package admission

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestLookups(t *testing.T) {
	ctx := t.Context()
	gold := class("gold", true, metav1.Now().Time, true)
	client := fake.NewClientset(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "root"}}, &gold)
	found := NewLookups(client.CoreV1(), client.StorageV1())

	if secret, err := found.GetSecret(ctx, "shop", "root"); err != nil || secret.Name != "root" {
		t.Errorf("GetSecret gives %v, %v", secret, err)
	}
	if _, err := found.GetSecret(ctx, "other", "root"); !apierrors.IsNotFound(err) {
		t.Errorf("GetSecret in another namespace gives %v, want NotFound", err)
	}
	if class, err := found.GetStorageClass(ctx, "gold"); err != nil || class.Name != "gold" {
		t.Errorf("GetStorageClass gives %v, %v", class, err)
	}
	if _, err := found.GetStorageClass(ctx, "tin"); !apierrors.IsNotFound(err) {
		t.Errorf("GetStorageClass of a missing class gives %v, want NotFound", err)
	}
	if classes, err := found.ListStorageClasses(ctx); err != nil || len(classes) != 1 {
		t.Errorf("ListStorageClasses gives %v, %v, want one class", classes, err)
	}
	client.PrependReactor("list", "storageclasses", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errDown
	})
	if _, err := found.ListStorageClasses(ctx); !errors.Is(err, errDown) {
		t.Errorf("ListStorageClasses gives %v, want %v", err, errDown)
	}
}
