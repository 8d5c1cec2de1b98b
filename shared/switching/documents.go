package switching

import (
	"context"
	"fmt"
)

// documented is nil when the OpenAPI documents of every kube-apiserver have, of a version, what the form that serves
// documents.
func (m *move) documented(ctx context.Context, front front, versions ...string) error {
	want := map[string]bool{}
	if len(m.to.registrations()) > 0 {
		server, err := m.server(m.to)
		if err != nil {
			return err
		}
		if want, err = server.paths(ctx, versions); err != nil {
			return err
		}
	}
	for _, version := range versions {
		want["/apis/"+groupVersion(version).String()+"/namespaces/{namespace}/mysqlinstances"] = true
	}
	return front.each(func(a *asker) error { return a.documents(ctx, want, versions) })
}

// documents is nil when the documents that are answered have each of these paths, and the versions.
func (a *asker) documents(ctx context.Context, want map[string]bool, versions []string) error {
	have, err := a.paths(ctx, versions)
	if err != nil {
		return err
	}
	for _, version := range versions {
		if _, err := a.get(ctx, "/openapi/v3/apis/"+groupVersion(version).String()); err != nil {
			return err
		}
	}
	for path := range want {
		if !have[path] {
			return fmt.Errorf("/openapi/v2 does not have %s", path)
		}
	}
	return nil
}

// server asks the server of a form itself.
func (m *move) server(of side) (*asker, error) {
	process, ok := of.plan.Server()
	if !ok {
		return nil, fmt.Errorf("%s with profile %s has no server", of.form.Name(), of.profile)
	}
	config, err := m.installer.Env.DirectConfig(process.Name)
	if err != nil {
		return nil, err
	}
	return newAsker(config)
}
