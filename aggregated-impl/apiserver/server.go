package apiserver

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/duet-api/duet/aggregated-impl/registry/mysqlinstance/storage"
	"github.com/duet-api/duet/shared/api/mysql"
)

// Server is the aggregated API server, ready to run.
type Server struct {
	Generic *genericapiserver.GenericAPIServer
}

type completedConfig struct {
	Config
	generic genericapiserver.CompletedConfig
}

// CompletedConfig can only be had from Complete, so that New cannot see a half-filled Config.
type CompletedConfig struct {
	*completedConfig
}

// Complete fills in what can be derived.
func (c *Config) Complete() CompletedConfig {
	return CompletedConfig{&completedConfig{Config: *c, generic: c.Generic.Complete()}}
}

// New opens the storage and installs the API group.
func (c CompletedConfig) New() (*Server, error) {
	generic, err := c.generic.New("duet-apiserver", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("could not set up the generic server: %w", err)
	}
	resources, err := storage.New(c.scheme, c.generic.RESTOptionsGetter)
	if err != nil {
		return nil, err
	}
	group := genericapiserver.NewDefaultAPIGroupInfo(mysql.GroupName, c.scheme, metav1.ParameterCodec, c.codecs)
	group.VersionedResourcesStorageMap = resources
	if err := generic.InstallAPIGroup(&group); err != nil {
		return nil, fmt.Errorf("could not install the API group %s: %w", mysql.GroupName, err)
	}
	return &Server{Generic: generic}, nil
}

// Run serves until the context ends, and then as long as graceful shutdown takes.
func (s *Server) Run(ctx context.Context) error {
	return s.Generic.PrepareRun().RunWithContext(ctx)
}
