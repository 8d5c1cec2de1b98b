package apiserver

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Where kube-apiserver publishes, for servers like this one, whom to trust.
const (
	authenticationConfigMap = "extension-apiserver-authentication"
	clientCAKey             = "client-ca-file"
	proxyCAKey              = "requestheader-client-ca-file"
)

// applyAuthenticationTo asks kube-apiserver who users are, and checks that its word is worth something. The library
// looks up what kube-apiserver publishes as well; it is read here once more because the library's copy comes late.
func (o *Options) applyAuthenticationTo(ctx context.Context,
	config *genericapiserver.RecommendedConfig) (trust, error) {
	options := *o.Authentication
	published := map[string]string{}
	if !options.SkipInClusterLookup {
		client, err := authenticationClient(options.RemoteKubeConfigFile)
		if err != nil {
			return nil, fmt.Errorf("could not use the kubeconfig for authentication: %w", err)
		}
		configMap, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).
			Get(ctx, authenticationConfigMap, metav1.GetOptions{})
		switch {
		case err == nil:
			published = configMap.Data
		case !options.TolerateInClusterLookupFailure:
			return nil, fmt.Errorf("could not look up the cluster's authentication settings: %w", err)
		}
		if options.ClientCert.ClientCA == "" {
			// What the library would make; made here to keep hold of it.
			options.ClientCert.CAContentProvider, err = dynamiccertificates.NewDynamicCAFromConfigMapController(
				"client-ca", metav1.NamespaceSystem, authenticationConfigMap, clientCAKey, client)
			if err != nil {
				return nil, fmt.Errorf("could not look up the client CA: %w", err)
			}
		}
	}
	if err := options.ApplyTo(&config.Authentication, config.SecureServing, config.OpenAPIConfig); err != nil {
		return nil, fmt.Errorf("could not set up authentication: %w", err)
	}

	var known trust
	// bundle is what a provider has, or will have.
	bundle := func(provider dynamiccertificates.CAContentProvider, key string) []byte {
		content := provider.CurrentCABundleContent()
		if len(content) == 0 {
			content = []byte(published[key])
		}
		if len(content) > 0 {
			known = append(known, provider)
		}
		return content
	}
	clientCA, err := options.ClientCert.GetClientCAContentProvider()
	if err != nil {
		return nil, fmt.Errorf("could not read the client CA: %w", err)
	}
	var clientBundle []byte
	if clientCA != nil {
		clientBundle = bundle(clientCA, clientCAKey)
	}
	if proxy := config.Authentication.RequestHeaderConfig; proxy != nil {
		err := checkTrust(ctx, proxy.AllowedClientNames.Value(), bundle(proxy.CAContentProvider, proxyCAKey), clientBundle)
		if err != nil {
			return nil, err
		}
	}
	config.AddReadyzChecks(healthz.NamedCheck("authentication-authorities", known.check))
	return known, nil
}

// authenticationClient reads the published settings. An empty kubeconfig means the pod's own service account.
func authenticationClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}
