package apiserver

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	genericopenapi "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-base/tracing"

	"github.com/duet-api/duet/aggregated-impl/admission"
	"github.com/duet-api/duet/aggregated-impl/registry/mysqlinstance/subresource"
	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/openapi"
)

// Limits of the clients that this server calls kube-apiserver with. client-go's default of 5 queries a second would
// make each look-up of a Secret wait; these are the ones that the library gives to its own delegated checks.
const (
	clientQPS   = 200
	clientBurst = 400
)

// Config is everything the server is made of: flags turned into clients, listeners and handlers.
type Config struct {
	Generic *genericapiserver.RecommendedConfig
	scheme  *runtime.Scheme
	codecs  serializer.CodecFactory
	// cluster is the core API, with the rights of the server.
	cluster kubernetes.Interface
}

// Config does all the input and output that can fail before there is a server: it opens the port, loads certificates,
// reads the cluster's authentication settings and connects to etcd.
func (o *Options) Config(ctx context.Context) (*Config, error) {
	scheme, err := newServingScheme()
	if err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme)
	config := genericapiserver.NewRecommendedConfig(codecs)
	// As in kube-apiserver, or one of the two would end a stream after a minute.
	config.LongRunningFunc = genericfilters.BasicLongRunningRequestCheck(
		sets.NewString("watch"), sets.NewString(subresource.LogSubresource))
	if err := addOpenAPI(config); err != nil {
		return nil, err
	}
	authorities, err := o.applyTo(ctx, config, scheme, codecs)
	if err != nil {
		return nil, err
	}
	cluster, err := o.applyAdmissionTo(config)
	if err != nil {
		return nil, err
	}
	config.BuildHandlerChainFunc = func(handler http.Handler, c *genericapiserver.Config) http.Handler {
		return authorities.gate(genericapiserver.DefaultBuildHandlerChain(withDeprecationWarning(withPresentDocument(handler)), c))
	}
	return &Config{Generic: config, scheme: scheme, codecs: codecs, cluster: cluster}, nil
}

// addOpenAPI serves both versions of OpenAPI. The definitions are named by the public scheme: kube-apiserver merges
// them into the cluster's document, where a name or a kind that only this server understands breaks kubectl for
// everybody.
func addOpenAPI(config *genericapiserver.RecommendedConfig) error {
	public, err := newPublicScheme()
	if err != nil {
		return err
	}
	namer := genericopenapi.NewDefinitionNamer(public)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIConfig.Info.Title = "Duet"
	config.OpenAPIV3Config.Info.Title = "Duet"
	return nil
}

// applyTo applies each group of options, in the order in which they need each other.
func (o *Options) applyTo(ctx context.Context, config *genericapiserver.RecommendedConfig,
	scheme *runtime.Scheme, codecs serializer.CodecFactory) (trust, error) {
	if err := o.ServerRun.ApplyTo(&config.Config); err != nil {
		return nil, fmt.Errorf("could not apply the generic flags: %w", err)
	}
	// Before whatever sends requests of its own: these belong to the trace of the request that they are made for.
	if err := o.Traces.ApplyTo(nil, &config.Config); err != nil {
		return nil, fmt.Errorf("could not set up tracing: %w", err)
	}
	if err := o.Etcd.ApplyWithStorageFactoryTo(o.storageFactory(config, scheme, codecs), &config.Config); err != nil {
		return nil, fmt.Errorf("could not set up etcd: %w", err)
	}
	if err := o.SecureServing.ApplyToConfig(&config.Config); err != nil {
		return nil, fmt.Errorf("could not set up serving: %w", err)
	}
	authorities, err := o.applyAuthenticationTo(ctx, config)
	if err != nil {
		return nil, err
	}
	if o.Traces.ConfigFile != "" {
		o.Authorization.WithCustomRoundTripper(tracing.WrapperFor(config.TracerProvider))
	}
	if err := o.Authorization.ApplyTo(&config.Authorization); err != nil {
		return nil, fmt.Errorf("could not set up authorization: %w", err)
	}
	if err := o.Audit.ApplyTo(&config.Config); err != nil {
		return nil, fmt.Errorf("could not set up auditing: %w", err)
	}
	if err := o.CoreAPI.ApplyTo(config); err != nil {
		return nil, fmt.Errorf("could not set up the client of the core API: %w", err)
	}
	return authorities, nil
}

// storageFactory says how objects are encoded and under which key. Both are the CustomResourceDefinition's by default:
// JSON of v1, below <prefix>/<group>/<resource>.
func (o *Options) storageFactory(config *genericapiserver.RecommendedConfig, scheme *runtime.Scheme,
	codecs serializer.CodecFactory) serverstorage.StorageFactory {
	stored := mysql.Resource("mysqlinstances")
	storageConfig := o.Etcd.StorageConfig
	storageConfig.StorageObjectCountTracker = config.StorageObjectCountTracker
	storageConfig.Transport.TracerProvider = config.TracerProvider
	encoding := serverstorage.NewDefaultResourceEncodingConfig(scheme)
	encoding.SetResourceEncoding(stored, v1.SchemeGroupVersion, mysql.SchemeGroupVersion)
	factory := serverstorage.NewDefaultStorageFactory(storageConfig, o.Etcd.DefaultStorageMediaType, codecs, encoding,
		serverstorage.NewResourceConfig(), nil)
	factory.SetResourceEtcdPrefix(stored, stored.Group+"/"+stored.Resource)
	return factory
}

// applyAdmissionTo sets up what needs a client of the core API, priority and fairness and the admission plugins, and
// returns the client.
func (o *Options) applyAdmissionTo(config *genericapiserver.RecommendedConfig) (kubernetes.Interface, error) {
	config.ClientConfig.QPS, config.ClientConfig.Burst = clientQPS, clientBurst
	client, err := kubernetes.NewForConfig(config.ClientConfig)
	if err != nil {
		return nil, fmt.Errorf("could not use the kubeconfig: %w", err)
	}
	dynamicClient, err := dynamic.NewForConfig(config.ClientConfig)
	if err != nil {
		return nil, fmt.Errorf("could not use the kubeconfig: %w", err)
	}
	if err := o.Features.ApplyTo(&config.Config, client, config.SharedInformerFactory); err != nil {
		return nil, fmt.Errorf("could not set up priority and fairness: %w", err)
	}
	if err := o.Admission.ApplyTo(&config.Config, config.SharedInformerFactory, client, dynamicClient,
		config.FeatureGate, config.EffectiveVersion, admission.QuotaInitializer{}); err != nil {
		return nil, fmt.Errorf("could not set up admission: %w", err)
	}
	return client, nil
}
