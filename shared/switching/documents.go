package switching

import (
	"context"
	"fmt"
)

// documented is nil when the OpenAPI documents of the cluster have, of a version, what the form that serves documents.
func (m *move) documented(ctx context.Context, asker *asker, versions ...string) error {
	have, err := asker.paths(ctx, versions)
	if err != nil {
		return err
	}
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
		if _, err := asker.get(ctx, "/openapi/v3/apis/"+groupVersion(version).String()); err != nil {
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
