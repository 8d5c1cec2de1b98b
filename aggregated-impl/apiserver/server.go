package apiserver

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/duet-api/duet/aggregated-impl/registry/mysqlinstance/storage"
	"github.com/duet-api/duet/aggregated-impl/registry/mysqlparameterreview"
	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/database"
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
	// A stopping server waits for open requests, and somebody who follows a log does not go by themselves.
	streams, endStreams := context.WithCancel(context.Background())
	if err := generic.AddPreShutdownHook("end-log-streams", func() error {
		endStreams()
		return nil
	}); err != nil {
		endStreams()
		return nil, fmt.Errorf("could not set up the end of log streams: %w", err)
	}
	resources, err := storage.New(c.scheme, c.generic.RESTOptionsGetter, storage.World{
		Cluster: c.cluster, Databases: database.NewDialer(), Streams: streams,
	})
	if err != nil {
		endStreams()
		return nil, err
	}
	resources[v1.SchemeGroupVersion.Version][mysqlparameterreview.Resource] = mysqlparameterreview.REST{}
	group := genericapiserver.NewDefaultAPIGroupInfo(mysql.GroupName, c.scheme, runtime.NewParameterCodec(c.scheme),
		c.codecs)
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
