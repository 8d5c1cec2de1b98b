package webhook

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	crwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/duet-api/duet/shared/admission"
)

// The paths of the endpoints, as the webhook configurations and the CustomResourceDefinition name them.
const (
	ConvertPath  = "/convert"
	DefaultPath  = "/default"
	ValidatePath = "/validate"
	HealthPath   = "/healthz"
	ReadyPath    = "/readyz"
)

// Config is what a server needs; ClientCA and MetricsAddress may be left out.
type Config struct {
	// Address and Port to listen on.
	Address string
	Port    int
	// CertFile and KeyFile hold the serving certificate. They are read again when they change.
	CertFile, KeyFile string
	// ClientCA, if set, must have signed the certificate of whoever asks for a default or a validation.
	ClientCA *x509.CertPool
	// MetricsAddress is a host:port for plain HTTP without authentication; empty means no metrics.
	MetricsAddress string
	// Lookups are the rules that need other objects.
	Lookups admission.Validator
}

// Server answers the reviews of kube-apiserver over TLS.
type Server struct {
	config  Config
	certs   *certwatcher.CertWatcher
	metrics metricsserver.Server
	webhook crwebhook.Server
}

// NewServer reads the certificate and puts the endpoints together. Nothing listens yet.
func NewServer(config Config) (*Server, error) {
	certs, err := certwatcher.New(config.CertFile, config.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("could not load the serving certificate: %w", err)
	}
	metricsOptions := metricsserver.Options{BindAddress: cmp.Or(config.MetricsAddress, "0")}
	// The client configuration would serve authentication and authorization, which these metrics do not have.
	metrics, err := metricsserver.NewServer(metricsOptions, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("could not set up the metrics: %w", err)
	}
	server := &Server{config: config, certs: certs, metrics: metrics}
	server.webhook = crwebhook.NewServer(crwebhook.Options{
		Host: config.Address, Port: config.Port, TLSOpts: []func(*tls.Config){server.configureTLS},
	})
	codec := newCodec()
	server.webhook.Register(ConvertPath, newConversionHandler(codec))
	server.webhook.Register(DefaultPath, server.authenticated(newDefaultingHandler(codec)))
	server.webhook.Register(ValidatePath, server.authenticated(newValidationHandler(codec, config.Lookups)))
	mux := server.webhook.WebhookMux()
	mux.HandleFunc("GET "+HealthPath, answerOK)
	mux.HandleFunc("GET "+ReadyPath, answerOK)
	return server, nil
}

// Run serves until the context ends, then finishes the reviews that it has begun.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := s.certs.Start(ctx); err != nil {
			return fmt.Errorf("could not watch %s and %s: %w", s.config.CertFile, s.config.KeyFile, err)
		}
		return nil
	})
	group.Go(func() error {
		address := net.JoinHostPort(s.config.Address, strconv.Itoa(s.config.Port))
		klog.FromContext(ctx).Info("serving", "address", address, "clientCertificates", s.config.ClientCA != nil)
		if err := s.webhook.Start(ctx); err != nil {
			return fmt.Errorf("could not serve webhooks on %s: %w", address, err)
		}
		return nil
	})
	if s.metrics != nil {
		group.Go(func() error {
			if err := s.metrics.Start(ctx); err != nil {
				return fmt.Errorf("could not serve metrics on %s: %w", s.config.MetricsAddress, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (s *Server) configureTLS(config *tls.Config) {
	config.GetCertificate = s.certs.GetCertificate
	// kube-apiserver asks its webhooks for HTTP/1.1, other clients may have HTTP/2.
	config.NextProtos = []string{"h2", "http/1.1"}
	if s.config.ClientCA != nil {
		config.ClientCAs = s.config.ClientCA
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
}

// authenticated asks for a verified client certificate, if there is a client CA. It is asked per path because neither
// kubelet's probes nor kube-apiserver's conversions can show one.
func (s *Server) authenticated(handler http.Handler) http.Handler {
	if s.config.ClientCA == nil {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			writeError(w, r, statusError(http.StatusUnauthorized, "Unauthorized",
				"a client certificate is needed: name one for this host in kube-apiserver's admission configuration"))
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// answerOK says that the server is up, which an answer over TLS with the current certificate is already. It does not
// ask the API server: were that away, nobody would be there to send reviews.
func answerOK(w http.ResponseWriter, r *http.Request) {
	if _, err := w.Write([]byte("ok")); err != nil {
		klog.FromContext(r.Context()).V(4).Info("could not answer a probe", "reason", err.Error())
	}
}
