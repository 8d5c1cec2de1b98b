package trace

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// The processes that report. OwnServer is that of a form which has one: it stands for all of them, since a request
// meets one at most.
const (
	FrontServer = controlplane.APIServer
	OwnServer   = "aggregated server"
	Storage     = controlplane.Etcd
)

// Settings make the servers of a control plane, and those of a form, report to a receiver.
type Settings struct {
	// EtcdArgs and APIServerArgs are for the control plane's own.
	EtcdArgs, APIServerArgs []string
	// Amend adds the same to the processes of a form.
	Amend func(process.Spec) process.Spec
}

// everything is sampled: the requests of an ordinary user would not be if it were left to their header.
const everything = `apiVersion: apiserver.config.k8s.io/v1
kind: TracingConfiguration
endpoint: %s
samplingRatePerMillion: 1000000
`

// Settings opens the receiver, and writes what the servers are to read into a directory.
func (r *Receiver) Settings(dir string) (Settings, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Settings{}, fmt.Errorf("could not make the directory of the traces' settings: %w", err)
	}
	front, err := r.server(dir, FrontServer)
	if err != nil {
		return Settings{}, err
	}
	own, err := r.server(dir, OwnServer)
	if err != nil {
		return Settings{}, err
	}
	address, err := r.Listen(Storage)
	if err != nil {
		return Settings{}, err
	}
	// Requests that are no API server's are not sampled; that of one is if its own span is.
	storage := []string{"--enable-distributed-tracing=true", "--distributed-tracing-address=" + address}
	return Settings{
		EtcdArgs: storage, APIServerArgs: front,
		Amend: func(spec process.Spec) process.Spec {
			switch {
			case spec.Flag("etcd-servers") != "":
				spec.Args = append(spec.Args, own...)
			case spec.Flag("listen-client-urls") != "":
				spec.Args = append(spec.Args, storage...)
			}
			return spec
		},
	}, nil
}

// server is what makes a server of k8s.io/apiserver report as a component.
func (r *Receiver) server(dir, component string) ([]string, error) {
	address, err := r.Listen(component)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, strings.ReplaceAll(component, " ", "-")+".yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, everything, address), 0o600); err != nil {
		return nil, fmt.Errorf("could not write where %s is to report: %w", component, err)
	}
	return []string{"--tracing-config-file=" + path}, nil
}
