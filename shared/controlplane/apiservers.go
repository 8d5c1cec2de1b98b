package controlplane

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A cluster has several kube-apiservers on one etcd. Each learns of a change on its own, some moments after the one that was
// asked for it: whoever changes how a group is served has to look at all of them, which one alone cannot show.

// apiServerNamed is the name of a kube-apiserver by its number: the first one has the plain name.
func apiServerNamed(number int) string {
	if number == 1 {
		return APIServer
	}
	return fmt.Sprintf("%s-%d", APIServer, number)
}

func isAPIServer(name string) bool {
	return name == APIServer || strings.HasPrefix(name, APIServer+"-")
}

// apiServers are the names of all.
func (s State) apiServers() []string {
	names := make([]string, max(1, s.APIServers))
	for i := range names {
		names[i] = apiServerNamed(i + 1)
	}
	return names
}

// program that runs as a component.
func program(name string) string {
	if isAPIServer(name) {
		return APIServer
	}
	return name
}

// URLs of all kube-apiservers, that of the first one first.
func (c *ControlPlane) URLs() []string {
	var urls []string
	for _, name := range c.state.apiServers() {
		urls = append(urls, loopbackURL(c.state.Ports[name]))
	}
	return urls
}

// retire stops the kube-apiservers that there are to be no more.
func (s *starter) retire(ctx context.Context) error {
	statuses, err := s.runner.List(ctx)
	if err != nil {
		return err
	}
	for _, status := range statuses {
		name := status.Spec.Name
		if !isAPIServer(name) || slices.Contains(s.state.apiServers(), name) {
			continue
		}
		fmt.Fprintf(s.Out, "stopping %s\n", name)
		if err := s.runner.Stop(ctx, name); err != nil {
			return err
		}
		delete(s.state.Ports, name)
	}
	return nil
}
