package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2/textlogger"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/duet-api/duet/shared/controller/config"
)

// options are the flags.
type options struct {
	leaderElect             bool
	leaderElectionNamespace string
	leaderElectionLease     time.Duration
	metricsAddress          string
	probeAddress            string
	workers                 int
	imageRepository         string
	connectToServers        bool
	replicateByAddress      bool
	qps                     float32
	burst                   int
	logging                 *textlogger.Config
}

func newOptions() *options {
	return &options{
		leaderElect:             true,
		leaderElectionNamespace: config.Namespace,
		leaderElectionLease:     15 * time.Second,
		metricsAddress:          "127.0.0.1:8080",
		probeAddress:            "127.0.0.1:8081",
		workers:                 8,
		imageRepository:         "mysql",
		connectToServers:        true,
		qps:                     -1,
		burst:                   100,
		logging:                 textlogger.NewConfig(),
	}
}

func (o *options) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.leaderElect, "leader-elect", o.leaderElect,
		"Work only while holding the Lease "+config.Name+", so that several copies can run.")
	fs.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", o.leaderElectionNamespace,
		"Namespace of the Lease. It must exist.")
	fs.DurationVar(&o.leaderElectionLease, "leader-election-lease-duration", o.leaderElectionLease,
		"How long another copy waits for a leader that died without giving the Lease up.")
	fs.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress,
		`Address of the Prometheus metrics, plain HTTP, as host:port; port 0 takes a free one; "0" serves none.`)
	fs.StringVar(&o.probeAddress, "health-probe-bind-address", o.probeAddress,
		`Address of /healthz and /readyz, plain HTTP, as host:port; port 0 takes a free one; "0" serves none.`)
	fs.IntVar(&o.workers, "workers", o.workers, "How many instances are reconciled at a time.")
	fs.StringVar(&o.imageRepository, "image-repository", o.imageRepository,
		"Repository of the MySQL image. The tag is the instance's version.")
	fs.BoolVar(&o.connectToServers, "connect-to-servers", o.connectToServers,
		"Look after the servers over SQL: replication, password changes, live parameters. Switch it off where pods run no\n"+
			"server, as on fake nodes: instances are then ready when their pods are.")
	fs.BoolVar(&o.replicateByAddress, "replicate-by-address", o.replicateByAddress,
		"Let replicas reach the primary by its pod's address and not by its name: for servers that have no cluster DNS.")
	fs.Float32Var(&o.qps, "kube-api-qps", o.qps,
		"Requests per second to the API server; below 0 for no limit on this side (the server has its own).")
	fs.IntVar(&o.burst, "kube-api-burst", o.burst,
		"Requests at once above --kube-api-qps. Without effect if there is no limit.")

	goFlags := flag.NewFlagSet("", flag.ContinueOnError)
	clientconfig.RegisterFlags(goFlags)
	o.logging.AddFlags(goFlags)
	fs.AddGoFlagSet(goFlags)
	fs.Lookup("v").Usage = "Log level: 0 for what somebody should know, 1 for each write as well."
}

// validate returns everything that is wrong, so that one run shows it all.
func (o *options) validate() error {
	var errs []error
	if o.workers < 1 {
		errs = append(errs, fmt.Errorf("--workers is %d: it must be at least 1", o.workers))
	}
	if o.imageRepository == "" {
		errs = append(errs, errors.New("--image-repository is empty: name the repository of the MySQL image"))
	}
	if o.qps == 0 {
		errs = append(errs, errors.New("--kube-api-qps is 0: give a limit above 0, or -1 for none"))
	}
	if o.qps > 0 && o.burst < 1 {
		errs = append(errs, fmt.Errorf("--kube-api-burst is %d: it must be at least 1", o.burst))
	}
	if o.leaderElect && o.leaderElectionNamespace == "" {
		errs = append(errs, errors.New("--leader-election-namespace is empty: name the namespace of the Lease"))
	}
	// Half of a lease is left for renewing it; the library needs some seconds there.
	if o.leaderElect && o.leaderElectionLease < 3*time.Second {
		errs = append(errs, fmt.Errorf("--leader-election-lease-duration is %s: it must be at least 3s", o.leaderElectionLease))
	}
	return errors.Join(errs...)
}

func newCommand(run func(context.Context, *options) error) *cobra.Command {
	o := newOptions()
	command := &cobra.Command{
		Use:   "duet-controller",
		Short: "Runs MySQL as MySQLInstances ask",
		Long: "duet-controller makes the Secrets, ConfigMaps, Services, StatefulSets, PodDisruptionBudgets and CronJobs " +
			"that MySQLInstances ask for, and reports on them. It waits while the API is not installed.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return run(command.Context(), o)
		},
	}
	o.addFlags(command.Flags())
	return command
}
