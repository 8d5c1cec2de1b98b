package install

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What follows looks at every kube-apiserver. Each learns on its own of what changes how a group is served, so that the
// answer of one says nothing of the others.

// APIServerConfigs are an administrator's access to each kube-apiserver, the first of which is the one of Config.
func (e *Environment) APIServerConfigs() []*rest.Config {
	var configs []*rest.Config
	for _, url := range e.controlPlane.URLs() {
		config := e.Config()
		config.Host = url
		configs = append(configs, config)
	}
	return configs
}

// AtEachAPIServer does something at one kube-apiserver after the other, and says at which one it failed.
func (e *Environment) AtEachAPIServer(do func(*rest.Config) error) error {
	return AtEach(e.APIServerConfigs(), func(config *rest.Config) string { return config.Host }, do)
}

// AtEach does something with what there is for each kube-apiserver, one after the other, and says at which host it failed if
// there are several.
func AtEach[S any](all []S, host func(S) string, do func(S) error) error {
	for _, one := range all {
		err := do(one)
		if err != nil && len(all) > 1 {
			return fmt.Errorf("kube-apiserver at %s: %w", host(one), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Serves checks that every kube-apiserver serves the group in each version.
func (i *Installer) Serves(ctx context.Context, versions ...string) error {
	return i.Env.AtEachAPIServer(func(config *rest.Config) error { return Serves(ctx, config, versions...) })
}

// Undocumented checks that no kube-apiserver has an OpenAPI v3 document of any of these versions.
func (i *Installer) Undocumented(versions ...string) error {
	return i.Env.AtEachAPIServer(func(config *rest.Config) error { return undocumented(config, versions...) })
}

// ClientFor is a client like the administrator's, with other access.
func (i *Installer) ClientFor(config *rest.Config) (client.Client, error) {
	return client.New(config, client.Options{Scheme: i.client.Scheme(), Mapper: i.client.RESTMapper()})
}
