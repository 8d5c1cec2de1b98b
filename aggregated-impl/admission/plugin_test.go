package admission

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/duet-api/duet/shared/api/mysql"
)

func instance(secret string) *mysql.MySQLInstance {
	return &mysql.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "ns"},
		Spec: mysql.MySQLInstanceSpec{Version: "8.4.3", Credentials: &mysql.Credentials{
			RootSecretRef: mysql.SecretKeyReference{Name: secret, Key: "password"},
		}},
	}
}

func attributes(version, subresource string, object, old runtime.Object) admission.Attributes {
	operation := admission.Create
	if old != nil {
		operation = admission.Update
	}
	gv := mysql.SchemeGroupVersion
	gv.Version = version
	return admission.NewAttributesRecord(object, old, gv.WithKind("MySQLInstance"), "ns", "db",
		gv.WithResource("mysqlinstances"), subresource, operation, nil, false, nil)
}

func TestValidate(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "root", Namespace: "ns"},
		Data: map[string][]byte{"password": []byte("x")}}
	for name, test := range map[string]struct {
		attributes admission.Attributes
		wantField  string
	}{
		"the Secret is there":           {attributes: attributes("v1", "", instance("root"), nil)},
		"the Secret is not there":       {attributes("v1", "", instance("missing"), nil), "spec.credentials.rootSecretRef.name"},
		"in v1alpha1":                   {attributes("v1alpha1", "", instance("missing"), nil), "spec.rootPasswordSecret"},
		"an update that changes it":     {attributes("v1", "", instance("missing"), instance("root")), "spec.credentials.rootSecretRef.name"},
		"an update that leaves it":      {attributes: attributes("v1", "", instance("missing"), instance("missing"))},
		"an update of the status":       {attributes: attributes("v1", "status", instance("missing"), instance("root"))},
		"an object that is no instance": {attributes: attributes("v1", "", &corev1.Secret{}, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			plugin := New()
			plugin.SetExternalKubeClientSet(fake.NewClientset(secret))
			err := plugin.Validate(t.Context(), test.attributes, nil)
			if test.wantField == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !apierrors.IsInvalid(err) {
				t.Fatalf("got %v, want Invalid", err)
			}
			causes := err.(apierrors.APIStatus).Status().Details.Causes
			if !slices.ContainsFunc(causes, func(c metav1.StatusCause) bool { return c.Field == test.wantField }) {
				t.Errorf("no cause for %s: %+v", test.wantField, causes)
			}
		})
	}
}

func TestValidateWhenNobodyKnows(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewServiceUnavailable("later")
	})
	plugin := New()
	plugin.SetExternalKubeClientSet(client)
	err := plugin.Validate(t.Context(), attributes("v1", "", instance("root"), nil), nil)
	if !apierrors.IsInternalError(err) {
		t.Errorf("got %v, want an internal error: the request may be right", err)
	}
}

func TestInitialization(t *testing.T) {
	plugins := admission.NewPlugins()
	Register(plugins)
	resourcequota.Register(plugins)
	if got := plugins.Registered(); !slices.Contains(got, PluginName) {
		t.Errorf("registered are %v", got)
	}
	if err := New().ValidateInitialization(); err == nil {
		t.Error("a plugin without a client was taken for ready")
	}
	initialized := New()
	initialized.SetExternalKubeClientSet(fake.NewClientset())
	if err := initialized.ValidateInitialization(); err != nil {
		t.Error(err)
	}
}

func TestQuotaInitializer(t *testing.T) {
	quota, err := resourcequota.NewResourceQuota(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	client := fake.NewClientset()
	quota.SetExternalKubeClientSet(client)
	quota.SetExternalKubeInformerFactory(informers.NewSharedInformerFactory(client, 0))
	quota.SetDrainedNotification(t.Context().Done())
	QuotaInitializer{}.Initialize(quota)
	QuotaInitializer{}.Initialize(New()) // Plugins that want no quota are left alone.
	if err := quota.ValidateInitialization(); err != nil {
		t.Error(err)
	}
}
