// Package config is what an installation needs to know about the controller: its account and rights as objects, and
// how to run it as a local process. It exists apart from the controller so that installing does not link it.
package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/duet-api/duet/shared/process"
)

const (
	// Name of the program, its process, its ServiceAccount, its roles and its Lease.
	Name = "duet-controller"
	// Namespace of the ServiceAccount and the Lease. It must exist before the objects are applied.
	Namespace = "duet-system"
)

//go:embed rbac.yaml
var rbac []byte

// RBAC returns the ServiceAccount, roles and bindings, in the order in which to apply them. Each call returns objects of
// its own.
func RBAC() ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(rbac), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("could not read the controller's objects: %w", err)
		}
		objects = append(objects, object)
	}
}

// LocalProcess runs the controller beside a local control plane. path is the program and kubeconfig its account's
// credentials, both absolute; the addresses are host:port, or "0" for none. connectToServers says whether the control
// plane's pods run servers that the controller can look after.
//
// It does not elect a leader: the runner of local processes runs one of each name, and a leader that cannot renew its
// Lease must end, while a local controller has to outlive the kube-apiserver that a fault test takes away.
func LocalProcess(path, kubeconfig, metricsAddress, probeAddress string, connectToServers bool) process.Spec {
	return process.Spec{
		Name: Name,
		Path: path,
		Args: []string{
			"--kubeconfig=" + kubeconfig,
			"--leader-elect=false",
			"--metrics-bind-address=" + metricsAddress,
			"--health-probe-bind-address=" + probeAddress,
			// Local processes have no cluster DNS.
			"--replicate-by-address",
			"--connect-to-servers=" + strconv.FormatBool(connectToServers),
		},
	}
}
