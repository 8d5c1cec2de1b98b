package behaviour

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// server is one of the API servers that a request for the group passes. A probe asks all of them the same, and what it
// observes names them: so it need not know how many there are.
type server struct {
	process.Status
	// reach is the address of the server's own port and how to verify it, without credentials.
	reach *rest.Config
}

// servers that a request for the group passes, in that order: kube-apiserver, and the one that its APIService says it is
// forwarded to, if there is one. The last one stores.
func (s *Subject) servers(ctx context.Context) ([]server, error) {
	statuses, err := s.Site.Plane.Runner().List(ctx)
	if err != nil {
		return nil, err
	}
	registration, err := stored(s.get(ctx, registrationPath()))
	if err != nil {
		return nil, fmt.Errorf("could not read who serves the group: %w", err)
	}
	port, forwarded, _ := unstructured.NestedInt64(registration.Object, "spec", "service", "port")
	var found []server
	for _, status := range statuses {
		switch {
		case status.Spec.Name == controlplane.APIServer:
			front := server{Status: status, reach: rest.AnonymousClientConfig(s.Site.Config())}
			found = append([]server{front}, found...)
		case forwarded && status.Spec.Flag("secure-port") == strconv.FormatInt(port, 10):
			reach, err := reachOf(registration, port)
			if err != nil {
				return nil, err
			}
			found = append(found, server{Status: status, reach: reach})
		}
	}
	if forwarded && len(found) < 2 {
		return nil, fmt.Errorf("could not find the process that listens on port %d, where the group is served", port)
	}
	return found, nil
}

// registrationPath of the APIService of the storage version.
func registrationPath() string {
	return "/apis/apiregistration.k8s.io/v1/apiservices/" + fixture.V1 + "." + fixture.Group
}

// reachOf is how kube-apiserver reaches a server on this machine: the name of the Service must be in its certificate, and
// the bundle of the APIService must sign it.
func reachOf(registration *unstructured.Unstructured, port int64) (*rest.Config, error) {
	read := func(fields ...string) string {
		text, _, _ := unstructured.NestedString(registration.Object, append([]string{"spec"}, fields...)...)
		return text
	}
	bundle, err := base64.StdEncoding.DecodeString(read("caBundle"))
	if err != nil {
		return nil, fmt.Errorf("could not read the bundle of the registration: %w", err)
	}
	return &rest.Config{
		Host: "https://127.0.0.1:" + strconv.FormatInt(port, 10), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: bundle, ServerName: read("service", "name") + "." + read("service", "namespace") + ".svc",
		},
	}, nil
}

// storing is the server that keeps the objects.
func (s *Subject) storing(ctx context.Context) (server, error) {
	servers, err := s.servers(ctx)
	if err != nil {
		return server{}, err
	}
	return servers[len(servers)-1], nil
}

// name of the program.
func (v server) name() string { return v.Spec.Name }

// flag is the value that the server was started with.
func (v server) flag(name string) string { return v.Spec.Flag(name) }

// as is a client of the server's own port, with the credentials and the recorder of a configuration.
func (v server) as(credentials *rest.Config) (*wire.Client, error) {
	config := rest.CopyConfig(credentials)
	config.Host = v.reach.Host
	config.CAFile, config.CAData = v.reach.CAFile, v.reach.CAData
	config.ServerName, config.Insecure = v.reach.ServerName, v.reach.Insecure
	return wire.New(config)
}

// each asks every server the same and joins the answers: "kube-apiserver <answer>, duet-apiserver <answer>".
func each(servers []server, ask func(server) (string, error)) (string, error) {
	var answers []string
	for _, server := range servers {
		answer, err := ask(server)
		if err != nil {
			return "", fmt.Errorf("%s: %w", server.name(), err)
		}
		answers = append(answers, server.name()+" "+answer)
	}
	return strings.Join(answers, ", "), nil
}

// header sets a header of a request.
func header(name, value string) wire.Option {
	return func(r *http.Request) { r.Header.Add(name, value) }
}
