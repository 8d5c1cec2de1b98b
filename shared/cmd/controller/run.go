package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/validation"
	"github.com/duet-api/duet/shared/controller"
	"github.com/duet-api/duet/shared/controller/config"
)

// gracePeriod for reconciles under way when the process is told to stop.
const gracePeriod = 20 * time.Second

// run runs the controller until the context ends.
func run(ctx context.Context, o *options) error {
	// Before there is a logger, since the library logs the same error in other words.
	cluster, err := clientconfig.GetConfig()
	if err != nil {
		return fmt.Errorf("could not find a cluster: give --kubeconfig or set KUBECONFIG: %w", err)
	}
	logger := textlogger.NewLogger(o.logging)
	ctrl.SetLogger(logger)
	o.configure(cluster)

	scheme := controller.NewScheme()
	renew, retry := o.leaderElectionLease*2/3, o.leaderElectionLease/5
	mgr, err := ctrl.NewManager(cluster, ctrl.Options{
		Scheme:                        scheme,
		Logger:                        logger,
		Cache:                         controller.CacheOptions(),
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:        o.probeAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              config.Name,
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &o.leaderElectionLease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		GracefulShutdownTimeout:       new(gracePeriod),
	})
	if err != nil {
		return fmt.Errorf("could not set up the manager: %w", err)
	}
	ready, err := controller.Setup(mgr, controller.Options{
		Workers:            o.workers,
		ImageRepository:    o.imageRepository,
		Validate:           rules(scheme),
		ConnectToServers:   o.connectToServers,
		ReplicateByAddress: o.replicateByAddress,
	})
	if err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("could not add the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("api", ready); err != nil {
		return fmt.Errorf("could not add the readiness check: %w", err)
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("the controller stopped: %w", err)
	}
	return nil
}

// configure says who asks the API server, and how often.
func (o *options) configure(cluster *rest.Config) {
	cluster.QPS, cluster.Burst = o.qps, o.burst
	cluster.UserAgent = config.Name
}

// rules are the API's validation, which both forms call too. Only the schema of a form without webhooks does not.
func rules(scheme *runtime.Scheme) func(*v1.MySQLInstance) field.ErrorList {
	return func(instance *v1.MySQLInstance) field.ErrorList {
		hub := &mysql.MySQLInstance{}
		if err := scheme.Convert(instance, hub, nil); err != nil {
			return field.ErrorList{field.InternalError(nil, err)}
		}
		return validation.ValidateMySQLInstance(hub)
	}
}
