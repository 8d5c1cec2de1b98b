package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
)

// Validator checks an instance against the objects it names.
type Validator struct {
	Secrets        SecretGetter
	StorageClasses StorageClassGetter
}

// Validate returns what is wrong with the references of a defaulted instance, with the field paths of the hub (which
// are those of v1). old is the instance as it is stored, or nil on create; only what differs from it is looked up.
//
// A look-up that fails for another reason than NotFound is a field.InternalError: the instance may be good. StatusError
// turns the list into an answer.
func (v Validator) Validate(ctx context.Context, instance, old *mysql.MySQLInstance) field.ErrorList {
	// The finalizer of an instance that is being deleted must come off, whatever has become of its Secrets.
	if instance.DeletionTimestamp != nil {
		return nil
	}
	var before *mysql.MySQLInstanceSpec
	if old != nil {
		before = &old.Spec
	}
	spec := field.NewPath("spec")
	errs := v.validateRootSecret(ctx, instance, before, spec.Child("credentials", "rootSecretRef"))
	errs = append(errs, v.validateTLSSecret(ctx, instance, before, spec.Child("tls", "secretName"))...)
	return append(errs, v.validateStorage(ctx, &instance.Spec, before, spec)...)
}

func (v Validator) validateRootSecret(
	ctx context.Context, instance *mysql.MySQLInstance, before *mysql.MySQLInstanceSpec, path *field.Path,
) field.ErrorList {
	credentials := instance.Spec.Credentials
	// Without a name there is nothing to look up, and validation of the object alone says so.
	if credentials == nil || credentials.RootSecretRef.Name == "" {
		return nil
	}
	ref := credentials.RootSecretRef
	if before != nil && before.Credentials != nil && before.Credentials.RootSecretRef == ref {
		return nil
	}
	secret, err := v.getSecret(ctx, instance.Namespace, ref.Name, path.Child("name"))
	if err != nil {
		return field.ErrorList{err}
	}
	if len(secret.Data[ref.Key]) == 0 {
		return field.ErrorList{field.Invalid(path.Child("key"), ref.Key,
			fmt.Sprintf("Secret %q has no value for this key", ref.Name))}
	}
	return nil
}

func (v Validator) validateTLSSecret(
	ctx context.Context, instance *mysql.MySQLInstance, before *mysql.MySQLInstanceSpec, path *field.Path,
) field.ErrorList {
	name := tlsSecretInUse(&instance.Spec)
	if name == "" || before != nil && tlsSecretInUse(before) == name {
		return nil
	}
	secret, err := v.getSecret(ctx, instance.Namespace, name, path)
	if err != nil {
		return field.ErrorList{err}
	}
	if secret.Type != corev1.SecretTypeTLS {
		return field.ErrorList{field.Invalid(path, name,
			fmt.Sprintf("Secret must be of type %s, and is of type %s", corev1.SecretTypeTLS, secret.Type))}
	}
	var errs field.ErrorList
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if len(secret.Data[key]) == 0 {
			errs = append(errs, field.Invalid(path, name, fmt.Sprintf("Secret has no value for key %q", key)))
		}
	}
	return errs
}

// tlsSecretInUse is the Secret that the servers read, or "". With TLS disabled the name is kept and nothing reads it,
// so it is looked up when TLS is switched on again.
func tlsSecretInUse(spec *mysql.MySQLInstanceSpec) string {
	if spec.TLS.Mode == mysql.TLSDisabled {
		return ""
	}
	return ptr.Deref(spec.TLS.SecretName, "")
}

func (v Validator) getSecret(
	ctx context.Context, namespace, name string, path *field.Path,
) (*corev1.Secret, *field.Error) {
	secret, err := v.Secrets.GetSecret(ctx, namespace, name)
	if apierrors.IsNotFound(err) {
		notFound := field.NotFound(path, name)
		notFound.Detail = fmt.Sprintf("there is no such Secret in namespace %q", namespace)
		return nil, notFound
	}
	if err != nil {
		return nil, field.InternalError(path, fmt.Errorf("could not look up Secret %q: %w", name, err))
	}
	return secret, nil
}
