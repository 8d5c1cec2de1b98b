package admission

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
)

var errDown = errors.New("etcd is down")

// cluster is what the look-ups find. It counts them, because a look-up that need not be made is a defect of its own.
type cluster struct {
	secrets map[string]*corev1.Secret
	classes []storagev1.StorageClass
	err     error
	asked   []string
}

func (c *cluster) GetSecret(_ context.Context, namespace, name string) (*corev1.Secret, error) {
	c.asked = append(c.asked, "secret "+namespace+"/"+name)
	if c.err != nil {
		return nil, c.err
	}
	if secret := c.secrets[namespace+"/"+name]; secret != nil {
		return secret, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name)
}

func (c *cluster) GetStorageClass(_ context.Context, name string) (*storagev1.StorageClass, error) {
	c.asked = append(c.asked, "class "+name)
	if c.err != nil {
		return nil, c.err
	}
	for i := range c.classes {
		if c.classes[i].Name == name {
			return &c.classes[i], nil
		}
	}
	return nil, apierrors.NewNotFound(storagev1.Resource("storageclasses"), name)
}

func (c *cluster) ListStorageClasses(context.Context) ([]storagev1.StorageClass, error) {
	c.asked = append(c.asked, "classes")
	return c.classes, c.err
}

func newCluster() *cluster {
	secret := func(kind corev1.SecretType, data map[string]string) *corev1.Secret {
		s := &corev1.Secret{Type: kind, Data: map[string][]byte{}}
		for key, value := range data {
			s.Data[key] = []byte(value)
		}
		return s
	}
	return &cluster{
		secrets: map[string]*corev1.Secret{
			"shop/root":       secret(corev1.SecretTypeOpaque, map[string]string{"password": "x", "empty": ""}),
			"shop/tls":        secret(corev1.SecretTypeTLS, map[string]string{"tls.crt": "c", "tls.key": "k"}),
			"shop/tls-empty":  secret(corev1.SecretTypeTLS, map[string]string{"tls.crt": "", "tls.key": ""}),
			"other/elsewhere": secret(corev1.SecretTypeOpaque, map[string]string{"password": "x"}),
		},
		classes: []storagev1.StorageClass{
			class("fast", true, time.Time{}, false),
			class("fixed", false, time.Time{}, false),
		},
	}
}

func class(name string, expands bool, created time.Time, isDefault bool) storagev1.StorageClass {
	c := storagev1.StorageClass{
		ObjectMeta:           metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(created)},
		AllowVolumeExpansion: ptr.To(expands),
	}
	if isDefault {
		c.Annotations = map[string]string{defaultClassAnnotation: "true"}
	}
	return c
}

func instance(edits ...func(*mysql.MySQLInstance)) *mysql.MySQLInstance {
	i := &mysql.MySQLInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"}}
	i.Spec.Storage.VolumeSize = resource.MustParse("10Gi")
	i.Spec.TLS.Mode = mysql.TLSPreferred
	for _, edit := range edits {
		edit(i)
	}
	return i
}

func rootSecret(name, key string) func(*mysql.MySQLInstance) {
	return func(i *mysql.MySQLInstance) {
		i.Spec.Credentials = &mysql.Credentials{RootSecretRef: mysql.SecretKeyReference{Name: name, Key: key}}
	}
}

func tls(mode mysql.TLSMode, secret string) func(*mysql.MySQLInstance) {
	return func(i *mysql.MySQLInstance) { i.Spec.TLS = mysql.TLS{Mode: mode, SecretName: &secret} }
}

func storage(size string, class *string) func(*mysql.MySQLInstance) {
	return func(i *mysql.MySQLInstance) {
		i.Spec.Storage = mysql.Storage{VolumeSize: resource.MustParse(size), StorageClassName: class}
	}
}

func backup(size string, class *string) func(*mysql.MySQLInstance) {
	return func(i *mysql.MySQLInstance) {
		i.Spec.Backup = &mysql.Backup{Storage: mysql.Storage{VolumeSize: resource.MustParse(size), StorageClassName: class}}
	}
}

func deleting(i *mysql.MySQLInstance) { i.DeletionTimestamp = ptr.To(metav1.Now()) }

func paused(i *mysql.MySQLInstance) { i.Spec.PowerState = mysql.PowerStopped }

func fieldError(kind field.ErrorType, path, detail string) *field.Error {
	return &field.Error{Type: kind, Field: path, Detail: detail}
}

func TestValidate(t *testing.T) {
	rootPath, tlsPath := "spec.credentials.rootSecretRef", "spec.tls.secretName"
	noSecret := `there is no such Secret in namespace "shop"`
	tests := map[string]struct {
		instance, old *mysql.MySQLInstance
		down          error
		classes       []storagev1.StorageClass
		want          field.ErrorList
		wantAsked     []string
	}{
		"names nothing": {instance: instance()},
		"root Secret is there": {
			instance:  instance(rootSecret("root", "password")),
			wantAsked: []string{"secret shop/root"},
		},
		"root Secret is missing": {
			instance:  instance(rootSecret("gone", "password")),
			want:      field.ErrorList{fieldError(field.ErrorTypeNotFound, rootPath+".name", noSecret)},
			wantAsked: []string{"secret shop/gone"},
		},
		"root Secret is in another namespace": {
			instance:  instance(rootSecret("elsewhere", "password")),
			want:      field.ErrorList{fieldError(field.ErrorTypeNotFound, rootPath+".name", noSecret)},
			wantAsked: []string{"secret shop/elsewhere"},
		},
		"root Secret lacks the key": {
			instance:  instance(rootSecret("root", "pass")),
			want:      field.ErrorList{fieldError(field.ErrorTypeInvalid, rootPath+".key", `Secret "root" has no value for this key`)},
			wantAsked: []string{"secret shop/root"},
		},
		"root Secret has an empty key": {
			instance:  instance(rootSecret("root", "empty")),
			want:      field.ErrorList{fieldError(field.ErrorTypeInvalid, rootPath+".key", `Secret "root" has no value for this key`)},
			wantAsked: []string{"secret shop/root"},
		},
		"root Secret without a name is for the other validation": {instance: instance(rootSecret("", "password"))},
		"root Secret look-up fails": {
			instance: instance(rootSecret("root", "password")), down: errDown,
			want: field.ErrorList{fieldError(field.ErrorTypeInternal, rootPath+".name",
				`could not look up Secret "root": etcd is down`)},
			wantAsked: []string{"secret shop/root"},
		},
		"root Secret was deleted later, another field changes": {
			instance: instance(rootSecret("gone", "password"), paused),
			old:      instance(rootSecret("gone", "password")),
		},
		"root Secret changes to another key": {
			instance:  instance(rootSecret("root", "empty")),
			old:       instance(rootSecret("root", "password")),
			want:      field.ErrorList{fieldError(field.ErrorTypeInvalid, rootPath+".key", `Secret "root" has no value for this key`)},
			wantAsked: []string{"secret shop/root"},
		},
		"root Secret is added by an update": {
			instance:  instance(rootSecret("gone", "password")),
			old:       instance(),
			want:      field.ErrorList{fieldError(field.ErrorTypeNotFound, rootPath+".name", noSecret)},
			wantAsked: []string{"secret shop/gone"},
		},
		"TLS Secret is there": {
			instance:  instance(tls(mysql.TLSRequired, "tls")),
			wantAsked: []string{"secret shop/tls"},
		},
		"TLS Secret is missing": {
			instance:  instance(tls(mysql.TLSPreferred, "gone")),
			want:      field.ErrorList{fieldError(field.ErrorTypeNotFound, tlsPath, noSecret)},
			wantAsked: []string{"secret shop/gone"},
		},
		"TLS Secret of another type": {
			instance: instance(tls(mysql.TLSRequired, "root")),
			want: field.ErrorList{fieldError(field.ErrorTypeInvalid, tlsPath,
				"Secret must be of type kubernetes.io/tls, and is of type Opaque")},
			wantAsked: []string{"secret shop/root"},
		},
		"TLS Secret with empty keys": {
			instance: instance(tls(mysql.TLSRequired, "tls-empty")),
			want: field.ErrorList{
				fieldError(field.ErrorTypeInvalid, tlsPath, `Secret has no value for key "tls.crt"`),
				fieldError(field.ErrorTypeInvalid, tlsPath, `Secret has no value for key "tls.key"`),
			},
			wantAsked: []string{"secret shop/tls-empty"},
		},
		"TLS Secret that nothing reads": {instance: instance(tls(mysql.TLSDisabled, "gone"))},
		"TLS is switched on again": {
			instance:  instance(tls(mysql.TLSRequired, "gone")),
			old:       instance(tls(mysql.TLSDisabled, "gone")),
			want:      field.ErrorList{fieldError(field.ErrorTypeNotFound, tlsPath, noSecret)},
			wantAsked: []string{"secret shop/gone"},
		},
		"TLS Secret was deleted later, the mode changes": {
			instance: instance(tls(mysql.TLSRequired, "gone")),
			old:      instance(tls(mysql.TLSPreferred, "gone")),
		},
		"class is there": {instance: instance(storage("10Gi", ptr.To("fixed"))), wantAsked: []string{"class fixed"}},
		"class is missing": {
			instance: instance(storage("10Gi", ptr.To("gone"))),
			want: field.ErrorList{fieldError(field.ErrorTypeNotFound, "spec.storage.storageClassName",
				"there is no such StorageClass")},
			wantAsked: []string{"class gone"},
		},
		"class look-up fails": {
			instance: instance(storage("10Gi", ptr.To("fast"))), down: errDown,
			want: field.ErrorList{fieldError(field.ErrorTypeInternal, "spec.storage.storageClassName",
				`could not look up StorageClass "fast": etcd is down`)},
			wantAsked: []string{"class fast"},
		},
		"volume keeps its size, its class is gone": {
			instance: instance(storage("10Gi", ptr.To("gone")), paused),
			old:      instance(storage("10240Mi", ptr.To("gone"))),
		},
		"volume grows": {
			instance:  instance(storage("11Gi", ptr.To("fast"))),
			old:       instance(storage("10Gi", ptr.To("fast"))),
			wantAsked: []string{"class fast"},
		},
		"volume grows, class does not allow it": {
			instance: instance(storage("11Gi", ptr.To("fixed"))),
			old:      instance(storage("10Gi", ptr.To("fixed"))),
			want: field.ErrorList{fieldError(field.ErrorTypeForbidden, "spec.storage.size",
				`may not grow: StorageClass "fixed" does not allow expansion`)},
			wantAsked: []string{"class fixed"},
		},
		"volume grows, class is gone": {
			instance: instance(storage("11Gi", ptr.To("gone"))),
			old:      instance(storage("10Gi", ptr.To("gone"))),
			want: field.ErrorList{fieldError(field.ErrorTypeNotFound, "spec.storage.storageClassName",
				"there is no such StorageClass")},
			wantAsked: []string{"class gone"},
		},
		"volume grows, no default class": {
			instance: instance(storage("11Gi", nil)),
			old:      instance(storage("10Gi", nil)),
			want: field.ErrorList{fieldError(field.ErrorTypeForbidden, "spec.storage.size",
				"may not grow: no StorageClass is named and the cluster has no default one that could allow expansion")},
			wantAsked: []string{"classes"},
		},
		"volume grows, default class allows it": {
			instance:  instance(storage("11Gi", nil)),
			old:       instance(storage("10Gi", nil)),
			classes:   []storagev1.StorageClass{class("a", false, time.Time{}, false), class("b", true, time.Time{}, true)},
			wantAsked: []string{"classes"},
		},
		"volume grows, list of classes fails": {
			instance: instance(storage("11Gi", nil)),
			old:      instance(storage("10Gi", nil)),
			down:     errDown,
			want: field.ErrorList{fieldError(field.ErrorTypeInternal, "spec.storage.storageClassName",
				"could not look up the default StorageClass: etcd is down")},
			wantAsked: []string{"classes"},
		},
		"backup volume has rules of its own": {
			instance: instance(backup("11Gi", ptr.To("fixed"))),
			old:      instance(backup("10Gi", ptr.To("fixed"))),
			want: field.ErrorList{fieldError(field.ErrorTypeForbidden, "spec.backup.storage.size",
				`may not grow: StorageClass "fixed" does not allow expansion`)},
			wantAsked: []string{"class fixed"},
		},
		"backup volume in a missing class": {
			instance: instance(backup("10Gi", ptr.To("gone"))),
			old:      instance(),
			want: field.ErrorList{fieldError(field.ErrorTypeNotFound, "spec.backup.storage.storageClassName",
				"there is no such StorageClass")},
			wantAsked: []string{"class gone"},
		},
		"backup volume moves to another class and is larger there": {
			instance:  instance(backup("20Gi", ptr.To("fixed"))),
			old:       instance(backup("10Gi", ptr.To("fast"))),
			wantAsked: []string{"class fixed"},
		},
		"everything is wrong": {
			instance: instance(rootSecret("gone", "k"), tls(mysql.TLSRequired, "gone"), storage("1Gi", ptr.To("gone"))),
			want: field.ErrorList{
				fieldError(field.ErrorTypeNotFound, rootPath+".name", noSecret),
				fieldError(field.ErrorTypeNotFound, tlsPath, noSecret),
				fieldError(field.ErrorTypeNotFound, "spec.storage.storageClassName", "there is no such StorageClass"),
			},
			wantAsked: []string{"secret shop/gone", "secret shop/gone", "class gone"},
		},
		"deletion is not held up": {
			instance: instance(rootSecret("gone", "k"), deleting),
			old:      instance(deleting),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found := newCluster()
			found.err = test.down
			if test.classes != nil {
				found.classes = test.classes
			}
			validator := Validator{Secrets: found, StorageClasses: found}
			got := validator.Validate(t.Context(), test.instance, test.old)
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(field.Error{}, "BadValue")); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantAsked, found.asked); diff != "" {
				t.Errorf("look-ups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultClass(t *testing.T) {
	older, newer := time.Unix(1000, 0), time.Unix(2000, 0)
	beta := class("beta", true, older, false)
	beta.Annotations = map[string]string{betaDefaultClassAnnotation: "true"}
	tests := map[string]struct {
		classes []storagev1.StorageClass
		want    string
	}{
		"none":                 {},
		"none is marked":       {classes: []storagev1.StorageClass{class("a", true, newer, false)}},
		"one is marked":        {classes: []storagev1.StorageClass{class("a", true, newer, false), class("b", true, older, true)}, want: "b"},
		"the older annotation": {classes: []storagev1.StorageClass{beta}, want: "beta"},
		"the newest of two":    {classes: []storagev1.StorageClass{class("a", true, older, true), class("b", true, newer, true)}, want: "b"},
		"the first of twins":   {classes: []storagev1.StorageClass{class("b", true, newer, true), class("a", true, newer, true)}, want: "a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			if class := defaultClass(test.classes); class != nil {
				got = class.Name
			}
			if got != test.want {
				t.Errorf("default class is %q, want %q", got, test.want)
			}
		})
	}
}

func TestStatusError(t *testing.T) {
	path := field.NewPath("spec", "tls", "secretName")
	kind := mysql.Kind("MySQLInstance")
	tests := map[string]struct {
		errs       field.ErrorList
		wantCode   int32
		wantCauses []string
	}{
		"invalid": {
			errs:       field.ErrorList{field.NotFound(path, "a"), field.Required(field.NewPath("spec", "version"), "")},
			wantCode:   http.StatusUnprocessableEntity,
			wantCauses: []string{"spec.tls.secretName", "spec.version"},
		},
		"a look-up failed": {
			errs:       field.ErrorList{field.NotFound(path, "a"), field.InternalError(path, errDown)},
			wantCode:   http.StatusInternalServerError,
			wantCauses: []string{""},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var status apierrors.APIStatus
			if !errors.As(StatusError(kind, "orders", test.errs), &status) {
				t.Fatal("the error has no status")
			}
			if got := status.Status().Code; got != test.wantCode {
				t.Errorf("code is %d, want %d", got, test.wantCode)
			}
			var causes []string
			for _, cause := range status.Status().Details.Causes {
				causes = append(causes, cause.Field)
			}
			if diff := cmp.Diff(test.wantCauses, causes); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
		})
	}
	if err := StatusError(kind, "orders", nil); err != nil {
		t.Errorf("no errors give %v, want nil", err)
	}
}
