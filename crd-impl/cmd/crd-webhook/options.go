package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	storagev1client "k8s.io/client-go/kubernetes/typed/storage/v1"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	netutils "k8s.io/utils/net"

	"github.com/duet-api/duet/crd-impl/webhook"
	"github.com/duet-api/duet/shared/admission"
)

// options are the values of the flags.
type options struct {
	bindAddress    string
	securePort     int
	certFile       string
	keyFile        string
	clientCAFile   string
	kubeconfig     string
	metricsAddress string
	logging        *logsapi.LoggingConfiguration
}

func newOptions() *options {
	return &options{bindAddress: "127.0.0.1", securePort: 9443, logging: logsapi.NewLoggingConfiguration()}
}

// flags are the command line in sections, as the help shows them.
func (o *options) flags() cliflag.NamedFlagSets {
	var sections cliflag.NamedFlagSets

	serving := sections.FlagSet("serving")
	serving.StringVar(&o.bindAddress, "bind-address", o.bindAddress,
		"IP address to listen on. Whoever reaches it can ask which Secrets exist, unless --client-ca-file is set: "+
			"in a pod use 0.0.0.0 with a NetworkPolicy.")
	serving.IntVar(&o.securePort, "secure-port", o.securePort, "Port to serve the webhooks on, over TLS.")
	serving.StringVar(&o.certFile, "tls-cert-file", o.certFile,
		"File with the serving certificate and its chain, in PEM. It must name the host that kube-apiserver calls.")
	serving.StringVar(&o.keyFile, "tls-private-key-file", o.keyFile, "File with the private key of the certificate, in PEM.")
	serving.StringVar(&o.clientCAFile, "client-ca-file", o.clientCAFile,
		"File with CA certificates, in PEM. If set, /default and /validate answer only clients with a certificate of "+
			"these CAs; kube-apiserver then needs one for this host in its --admission-control-config-file.")

	lookups := sections.FlagSet("lookup")
	lookups.StringVar(&o.kubeconfig, "kubeconfig", o.kubeconfig,
		"File with the access to the API server for look-ups of Secrets and StorageClasses. "+
			"Without it, the service account of the pod.")

	metrics := sections.FlagSet("metrics")
	metrics.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress,
		"Loopback IP:port to serve Prometheus metrics on, at /metrics over plain HTTP. Without it there are none.")

	logsapi.AddFlags(o.logging, sections.FlagSet("log"))
	return sections
}

// validate returns everything that is wrong with the flags, so that nobody has to mend them one at a time.
func (o *options) validate() error {
	var errs []error
	if netutils.ParseIPSloppy(o.bindAddress) == nil {
		errs = append(errs, fmt.Errorf("--bind-address %q is not an IP address", o.bindAddress))
	}
	if o.securePort < 1 || o.securePort > 65535 {
		errs = append(errs, fmt.Errorf("--secure-port %d is not between 1 and 65535", o.securePort))
	}
	if o.certFile == "" {
		errs = append(errs, errors.New("--tls-cert-file is required"))
	}
	if o.keyFile == "" {
		errs = append(errs, errors.New("--tls-private-key-file is required"))
	}
	if o.metricsAddress != "" && !isLoopback(o.metricsAddress) {
		errs = append(errs, fmt.Errorf("--metrics-bind-address %q is not a loopback IP:port: "+
			"the metrics are served to anybody, so they stay on this host", o.metricsAddress))
	}
	return utilerrors.NewAggregate(errs)
}

func isLoopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := netutils.ParseIPSloppy(host)
	number, err := strconv.Atoi(port)
	return err == nil && number >= 0 && number <= 65535 && ip != nil && ip.IsLoopback()
}

// config reads the files that the flags name. The serving certificate is the server's own to read, again and again.
func (o *options) config(clientConfig func(kubeconfig string) (*rest.Config, error)) (webhook.Config, error) {
	config := webhook.Config{
		Address: o.bindAddress, Port: o.securePort,
		CertFile: o.certFile, KeyFile: o.keyFile,
		MetricsAddress: o.metricsAddress,
	}
	if o.clientCAFile != "" {
		pool, err := certutil.NewPool(o.clientCAFile)
		if err != nil {
			return config, fmt.Errorf("could not read --client-ca-file: %w", err)
		}
		config.ClientCA = pool
	}
	lookups, err := o.lookups(clientConfig)
	config.Lookups = lookups
	return config, err
}

func (o *options) lookups(clientConfig func(kubeconfig string) (*rest.Config, error)) (admission.Validator, error) {
	config, err := clientConfig(o.kubeconfig)
	if err != nil {
		return admission.Validator{}, fmt.Errorf("could not find access to the API server, set --kubeconfig: %w", err)
	}
	config = rest.AddUserAgent(config, "crd-webhook")
	// Each review is a request that kube-apiserver has let through already; a limit here would only make writes wait.
	config.QPS = -1
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return admission.Validator{}, fmt.Errorf("could not set up look-ups of Secrets: %w", err)
	}
	storage, err := storagev1client.NewForConfig(config)
	if err != nil {
		return admission.Validator{}, fmt.Errorf("could not set up look-ups of StorageClasses: %w", err)
	}
	found := admission.NewLookups(core, storage)
	return admission.Validator{Secrets: found, StorageClasses: found}, nil
}
