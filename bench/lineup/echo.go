package lineup

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/shared/process"
)

// Names of the processes that only answer.
const (
	echoName  = "echo"
	proxyName = "echo-proxy"
)

// echoed starts a server that only answers, and a reverse proxy in front of it if the requests are to go through one.
// Both are this program, in processes of their own, so that their processor time is told apart from the generator's.
func echoed(proxied bool) targetFunc {
	return func(ctx context.Context, side *matrix.Side) (arm.Target, error) {
		url, caFile, err := startEcho(ctx, side, echoName)
		if err != nil {
			return nil, err
		}
		if proxied {
			if url, caFile, err = startEcho(ctx, side, proxyName, "--proxy-to="+url, "--proxy-ca="+caFile); err != nil {
				return nil, err
			}
		}
		return arm.Bare{Config: &rest.Config{Host: url, TLSClientConfig: rest.TLSClientConfig{CAFile: caFile}}}, nil
	}
}

// startEcho runs `duet echo` beside a side's control plane, and says where it is. What runs already is left alone.
func startEcho(ctx context.Context, side *matrix.Side, name string, args ...string) (url, caFile string, err error) {
	env := side.Installer.Env
	port, err := env.Port(name)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile, caBundle, err := env.ServingFiles(name, "localhost", "127.0.0.1")
	if err != nil {
		return "", "", err
	}
	caFile = certFile + ".ca"
	if err := os.WriteFile(caFile, caBundle, 0o600); err != nil {
		return "", "", fmt.Errorf("could not write the authority of %s: %w", name, err)
	}
	path, err := env.Binary("duet")
	if err != nil {
		return "", "", err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	err = env.Runner().Run(ctx, process.Spec{Name: name, Path: path, Args: append([]string{
		"echo", "--address=" + address, "--tls-cert-file=" + certFile, "--tls-private-key-file=" + keyFile,
	}, args...)})
	return "https://" + address, caFile, err
}
