// Package trace says where the time of a request goes, from what the servers themselves report of it.
//
// A latency says which form is faster and not why. The servers know: kube-apiserver, an aggregated server and etcd can
// report, as OpenTelemetry spans, when each began and ended what it did for a request. This package receives these,
// hangs them into one tree for each request (an aggregated server begins another trace for an ordinary user, so that
// links have to be followed too), and divides the time between the client's first and last byte among the parts of the
// work, so that every nanosecond belongs to exactly one part. What no span tells of is called unattributed, and is
// never shared out.
//
// Reporting costs time of its own, so that it is done in a pass apart from the measured cells, and its times are larger
// than theirs.
package trace

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/duet-api/duet/e2e/otlp"
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

// Receiver collects the spans of the processes that report.
type Receiver struct{ otlp.Receiver }

// Settings make the servers of a control plane, and those of a form, report to a receiver.
type Settings struct {
	// EtcdArgs and APIServerArgs are for the control plane's own.
	EtcdArgs, APIServerArgs []string
	// Amend adds the same to the processes of a form.
	Amend func(process.Spec) process.Spec
}

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
	if err := os.WriteFile(path, []byte(otlp.Configuration(address)), 0o600); err != nil {
		return nil, fmt.Errorf("could not write where %s is to report: %w", component, err)
	}
	return []string{"--tracing-config-file=" + path}, nil
}
