// Package admission brings the rules that need other objects (shared/admission) into the server's admission chain.
//
// A CustomResourceDefinition asks a webhook for this; here it is a plugin in the same process, after the mutating
// plugins and beside the policies and webhooks that the cluster's administrators add. The rules stay in
// shared/admission: this package gives them a client and speaks their errors in the request's version.
package admission

import (
	"context"
	"errors"
	"io"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/client-go/kubernetes"

	sharedadmission "github.com/duet-api/duet/shared/admission"
	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/validation"
)

// PluginName is what --disable-admission-plugins calls it.
const PluginName = "MySQLInstanceReferences"

// Register makes the plugin known.
func Register(plugins *admission.Plugins) {
	plugins.Register(PluginName, func(io.Reader) (admission.Interface, error) { return New(), nil })
}

// Plugin refuses instances whose references do not hold.
type Plugin struct {
	*admission.Handler
	validator *sharedadmission.Validator
}

var (
	_ admission.ValidationInterface          = &Plugin{}
	_ initializer.WantsExternalKubeClientSet = &Plugin{}
)

// New returns a plugin that still needs its client; the generic initializer of the server gives it one.
func New() *Plugin {
	return &Plugin{Handler: admission.NewHandler(admission.Create, admission.Update)}
}

// SetExternalKubeClientSet takes the client for look-ups.
func (p *Plugin) SetExternalKubeClientSet(client kubernetes.Interface) {
	lookups := sharedadmission.NewLookups(client.CoreV1(), client.StorageV1())
	p.validator = &sharedadmission.Validator{Secrets: lookups, StorageClasses: lookups}
}

// ValidateInitialization reports a missing client when the server starts, not at the first request.
func (p *Plugin) ValidateInitialization() error {
	if p.validator == nil {
		return errors.New(PluginName + " needs a client")
	}
	return nil
}

// Validate checks what an instance refers to. Subresources are let through: a status refers to nothing, and a scale
// has no references.
func (p *Plugin) Validate(ctx context.Context, attributes admission.Attributes, _ admission.ObjectInterfaces) error {
	if attributes.GetSubresource() != "" {
		return nil
	}
	instance, ok := attributes.GetObject().(*mysql.MySQLInstance)
	if !ok {
		return nil
	}
	old, _ := attributes.GetOldObject().(*mysql.MySQLInstance) // nil on create
	errs := validation.InVersion(p.validator.Validate(ctx, instance, old), attributes.GetResource().Version)
	return sharedadmission.StatusError(attributes.GetKind().GroupKind(), instance.Name, errs)
}
