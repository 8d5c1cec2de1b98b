package corpus

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/duet-api/duet/shared/admission"
	"github.com/duet-api/duet/shared/api/mysql"
	contract "github.com/duet-api/duet/shared/api/mysql/corpus"
	"github.com/duet-api/duet/shared/api/mysql/install"
	"github.com/duet-api/duet/shared/api/mysql/validation"
)

// GoJudge decides with the code of shared alone: decoding with defaults and conversion, validation, look-ups.
type GoJudge struct {
	tolerant, strict runtime.Decoder
}

// NewGoJudge makes the decoders.
func NewGoJudge() *GoJudge {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return &GoJudge{
		tolerant: serializer.NewCodecFactory(scheme).UniversalDecoder(mysql.SchemeGroupVersion),
		strict: serializer.NewCodecFactory(scheme, serializer.EnableStrict).
			UniversalDecoder(mysql.SchemeGroupVersion),
	}
}

// Judge returns the verdict on a case. An error means that the case cannot be asked.
func (j *GoJudge) Judge(ctx context.Context, c contract.Case) (contract.Verdict, error) {
	decoder := j.tolerant
	if c.FieldValidation == metav1.FieldValidationStrict {
		decoder = j.strict
	}
	object, err := decode(decoder, c.Body)
	if err != nil {
		return verdict(apierrors.NewBadRequest(err.Error()))
	}
	lookups, err := newLookups(c.Needs)
	if err != nil {
		return contract.Verdict{}, err
	}
	var old *mysql.MySQLInstance
	if c.Old != nil {
		if old, err = decode(j.tolerant, c.Old); err != nil {
			return contract.Verdict{}, fmt.Errorf("could not decode the old object: %w", err)
		}
		rest.FillObjectMetaSystemFields(old)
		old.Namespace, old.ResourceVersion = namespace, "1"
		replace(object, old)
	} else {
		rest.FillObjectMetaSystemFields(object)
		object.Namespace = namespace
	}
	errs := validate(ctx, c, lookups, object, old)
	if len(errs) == 0 {
		return contract.Verdict{Accepted: true}, nil
	}
	return verdict(apierrors.NewInvalid(mysql.Kind("MySQLInstance"), object.Name, validation.InVersion(errs, c.Version)))
}

func validate(
	ctx context.Context, c contract.Case, lookups *lookups, object, old *mysql.MySQLInstance,
) field.ErrorList {
	if c.Subresource == "status" {
		object.Spec = old.Spec
		return validation.ValidateMySQLInstanceStatusUpdate(object, old)
	}
	var errs field.ErrorList
	if old == nil {
		errs = validation.ValidateMySQLInstance(object)
	} else {
		errs = validation.ValidateMySQLInstanceUpdate(object, old)
	}
	if len(errs) > 0 { // as in a server, look-ups are for objects that are good in themselves
		return errs
	}
	return admission.Validator{Secrets: lookups, StorageClasses: lookups}.Validate(ctx, object, old)
}

func decode(decoder runtime.Decoder, body []byte) (*mysql.MySQLInstance, error) {
	decoded, _, err := decoder.Decode(body, nil, nil)
	if err != nil {
		return nil, err
	}
	object, ok := decoded.(*mysql.MySQLInstance)
	if !ok {
		return nil, fmt.Errorf("%T is no MySQLInstance", decoded)
	}
	return object, nil
}

// lookups answers from the objects that a case needs.
type lookups struct {
	secrets map[string]*corev1.Secret
	classes map[string]*storagev1.StorageClass
}

func newLookups(needs []unstructured.Unstructured) (*lookups, error) {
	l := &lookups{secrets: map[string]*corev1.Secret{}, classes: map[string]*storagev1.StorageClass{}}
	for _, need := range needs {
		var err error
		switch need.GetKind() {
		case "Secret":
			secret := &corev1.Secret{}
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(need.Object, secret)
			secret.Data = map[string][]byte{}
			for key, value := range secret.StringData {
				secret.Data[key] = []byte(value)
			}
			l.secrets[secret.Name] = secret
		case "StorageClass":
			class := &storagev1.StorageClass{}
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(need.Object, class)
			l.classes[class.Name] = class
		default:
			err = fmt.Errorf("kind %s is not known here", need.GetKind())
		}
		if err != nil {
			return nil, fmt.Errorf("could not read what the case needs: %w", err)
		}
	}
	return l, nil
}

// GetSecret implements admission.SecretGetter.
func (l *lookups) GetSecret(_ context.Context, _, name string) (*corev1.Secret, error) {
	if secret, found := l.secrets[name]; found {
		return secret, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name)
}

// GetStorageClass implements admission.StorageClassGetter.
func (l *lookups) GetStorageClass(_ context.Context, name string) (*storagev1.StorageClass, error) {
	if class, found := l.classes[name]; found {
		return class, nil
	}
	return nil, apierrors.NewNotFound(storagev1.Resource("storageclasses"), name)
}

// ListStorageClasses implements admission.StorageClassGetter.
func (l *lookups) ListStorageClasses(context.Context) ([]storagev1.StorageClass, error) {
	var list []storagev1.StorageClass
	for _, class := range l.classes {
		list = append(list, *class)
	}
	return list, nil
}
