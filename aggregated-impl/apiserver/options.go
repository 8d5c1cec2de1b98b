package apiserver

import (
	"errors"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	cliflag "k8s.io/component-base/cli/flag"

	"github.com/duet-api/duet/aggregated-impl/admission"
)

// DefaultEtcdPrefix is kube-apiserver's own: with it and the same etcd, the server reads and writes the very objects
// that a CustomResourceDefinition of the group would.
const DefaultEtcdPrefix = "/registry"

// Options are the flags, a group for each concern. They are the library's recommended options plus ServerRunOptions,
// which those leave out: graceful shutdown, timeouts and limits.
type Options struct {
	ServerRun      *genericoptions.ServerRunOptions
	Etcd           *genericoptions.EtcdOptions
	SecureServing  *genericoptions.SecureServingOptionsWithLoopback
	Authentication *genericoptions.DelegatingAuthenticationOptions
	Authorization  *genericoptions.DelegatingAuthorizationOptions
	Audit          *genericoptions.AuditOptions
	Features       *genericoptions.FeatureOptions
	CoreAPI        *genericoptions.CoreAPIOptions
	Admission      *genericoptions.AdmissionOptions
	Traces         *genericoptions.TracingOptions
}

// watchDrain is how long a stopping server gives its watches to end. The library's default is not to end them: then the
// process lives on until --request-timeout has passed, since there always are watches.
const watchDrain = 10 * time.Second

// NewOptions returns the defaults.
func NewOptions() *Options {
	run := genericoptions.NewServerRunOptions()
	run.ShutdownWatchTerminationGracePeriod = watchDrain

	serving := genericoptions.NewSecureServingOptions()
	serving.BindPort = 6443
	serving.Required = true
	// Nearly all requests come from kube-apiserver's proxy over one HTTP/2 connection, the long watches included.
	serving.HTTP2MaxStreamsPerConnection = 1000

	admissionOptions := genericoptions.NewAdmissionOptions()
	admission.Register(admissionOptions.Plugins)
	resourcequota.Register(admissionOptions.Plugins)
	// Quota is last, as in kube-apiserver: what another plugin refuses must not be counted.
	admissionOptions.RecommendedPluginOrder = append(admissionOptions.RecommendedPluginOrder,
		admission.PluginName, resourcequota.PluginName)

	return &Options{
		ServerRun: run,
		// The codec is chosen from --storage-media-type, see storageFactory.
		Etcd:           genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig(DefaultEtcdPrefix, nil)),
		SecureServing:  serving.WithLoopback(),
		Authentication: genericoptions.NewDelegatingAuthenticationOptions(),
		Authorization:  genericoptions.NewDelegatingAuthorizationOptions(),
		Audit:          genericoptions.NewAuditOptions(),
		Features:       genericoptions.NewFeatureOptions(),
		CoreAPI:        genericoptions.NewCoreAPIOptions(),
		Admission:      admissionOptions,
		Traces:         genericoptions.NewTracingOptions(),
	}
}

// withoutEffect are flags of the library that would do nothing in this server: it makes no certificate for itself,
// stores one resource only (--etcd-servers says where), has no --runtime-config, and its only API has no versions to be
// brought forward.
var withoutEffect = sets.New("cert-dir", "etcd-servers-overrides",
	"emulation-forward-compatible", "runtime-config-emulation-forward-compatible")

// Flags returns the flags in named groups, for a help text that can be read.
func (o *Options) Flags() cliflag.NamedFlagSets {
	var sets cliflag.NamedFlagSets
	for _, group := range []struct {
		name     string
		addFlags func(*pflag.FlagSet)
	}{
		{"secure serving", o.SecureServing.AddFlags},
		{"etcd", o.Etcd.AddFlags},
		{"core API", o.CoreAPI.AddFlags},
		{"authentication", o.Authentication.AddFlags},
		{"authorization", o.Authorization.AddFlags},
		{"admission", o.Admission.AddFlags},
		{"generic", o.ServerRun.AddUniversalFlags},
		{"features", o.Features.AddFlags},
		{"auditing", o.Audit.AddFlags},
		{"tracing", o.Traces.AddFlags},
	} {
		all := pflag.NewFlagSet(group.name, pflag.ContinueOnError)
		group.addFlags(all)
		fs := sets.FlagSet(group.name)
		all.VisitAll(func(flag *pflag.Flag) {
			if flag.Name == "tls-cert-file" { // The library's text promises a certificate that this server does not make.
				flag.Usage = "File with the serving certificate, the authorities it needs after it. It is reloaded when it " +
					"changes, and must name the Service in front of the server (<service>.<namespace>.svc)."
			}
			if !withoutEffect.Has(flag.Name) {
				fs.AddFlag(flag)
			}
		})
	}
	return sets
}

// Validate returns everything that is wrong with the flags at once.
func (o *Options) Validate() []error {
	var errs []error
	errs = append(errs, o.ServerRun.Validate()...)
	errs = append(errs, o.ServerRun.ComponentGlobalsRegistry.Validate()...)
	errs = append(errs, o.Etcd.Validate()...)
	errs = append(errs, o.SecureServing.Validate()...)
	errs = append(errs, o.Authentication.Validate()...)
	errs = append(errs, o.Authorization.Validate()...)
	errs = append(errs, o.Audit.Validate()...)
	errs = append(errs, o.Features.Validate()...)
	errs = append(errs, o.CoreAPI.Validate()...)
	errs = append(errs, o.Admission.Validate()...)
	errs = append(errs, o.Traces.Validate()...)

	pair := o.SecureServing.ServerCert.CertKey
	if pair.CertFile == "" || pair.KeyFile == "" {
		errs = append(errs, errors.New("--tls-cert-file and --tls-private-key-file must be specified: "+
			"a certificate that the server made for itself could be verified by nobody"))
	}
	return errs
}
