package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/echo"
	"github.com/duet-api/duet/bench/scenario"
)

// newEchoCommand is the process behind the arms that measure the connection alone. People have no use for it.
func newEchoCommand(genericiooptions.IOStreams) *cobra.Command {
	var address, certFile, keyFile, proxyTo, proxyCA string
	cmd := &cobra.Command{
		Use:    "echo",
		Hidden: true,
		Short:  "Answer every request with the same bytes, or pass it on to a server that does",
		Args:   arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			handler, err := echoHandler(proxyTo, proxyCA)
			if err != nil {
				return err
			}
			server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: arm.RequestTimeout}
			stop := context.AfterFunc(cmd.Context(), func() { _ = server.Close() })
			defer stop()
			if err := server.ListenAndServeTLS(certFile, keyFile); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("could not serve: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "address", "", "where to listen")
	flags.StringVar(&certFile, "tls-cert-file", "", "certificate")
	flags.StringVar(&keyFile, "tls-private-key-file", "", "its key")
	flags.StringVar(&proxyTo, "proxy-to", "", "pass requests on to this URL")
	flags.StringVar(&proxyCA, "proxy-ca", "", "authority of the server there")
	return cmd
}

// echoSeed: every seed gives objects of the same size, and nothing else of them counts here.
const echoSeed = 1

func echoHandler(proxyTo, proxyCA string) (http.Handler, error) {
	if proxyTo != "" {
		to, err := url.Parse(proxyTo)
		if err != nil {
			return nil, fmt.Errorf("could not read --proxy-to: %w", err)
		}
		ca, err := os.ReadFile(proxyCA)
		if err != nil {
			return nil, fmt.Errorf("could not read --proxy-ca: %w", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		return echo.Proxy(to, &tls.Config{RootCAs: roots}), nil
	}
	kind, err := arm.MySQLInstances(echoSeed)
	if err != nil {
		return nil, err
	}
	var objects [][]byte
	for i := range scenario.Small.Objects {
		object, err := kind.Append(nil, arm.JSON, arm.Object{
			Namespace: "echo", Name: scenario.Member(i), ResourceVersion: "1", Number: i,
		})
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	object, list, err := echo.Body(objects)
	return echo.Handler{Resource: kind.Resource.Resource, Object: object, List: list}, err
}
