// Command duet-apiserver is the aggregated form of the MySQLInstance API: a server of its own, which kube-apiserver's
// aggregation layer forwards the group mysql.example.com to.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	cliflag "k8s.io/component-base/cli/flag"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // what its clients send, and wait for their rate limiters
	"k8s.io/component-base/term"

	"github.com/duet-api/duet/aggregated-impl/apiserver"
)

func main() {
	// cli.Run would dress the error up as a log line; a person reads it.
	if err := cli.RunNoErrOutput(newCommand(genericapiserver.SetupSignalContext())); err != nil {
		fmt.Fprintf(os.Stderr, "duet-apiserver: %v\n", err)
		os.Exit(1)
	}
}

func newCommand(ctx context.Context) *cobra.Command {
	options := apiserver.NewOptions()
	cmd := &cobra.Command{
		Use:   "duet-apiserver",
		Short: "Serve the MySQLInstance API behind kube-apiserver's aggregation layer",
		Long: "duet-apiserver serves mysql.example.com behind kube-apiserver's aggregation layer.\n\n" +
			"It needs a serving certificate, an etcd and a kubeconfig; kube-apiserver authenticates and authorizes for it.",
		Args:         cobra.NoArgs,
		SilenceUsage: true, // It has a hundred flags: the error would be out of sight above them.
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return options.ServerRun.ComponentGlobalsRegistry.Set()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if errs := options.Validate(); len(errs) > 0 {
				return utilerrors.NewAggregate(errs)
			}
			config, err := options.Config(cmd.Context())
			if err != nil {
				return err
			}
			server, err := config.Complete().New()
			if err != nil {
				return err
			}
			return server.Run(cmd.Context())
		},
	}
	cmd.SetContext(ctx)

	flags := options.Flags()
	for _, group := range flags.FlagSets {
		cmd.Flags().AddFlagSet(group)
	}
	width, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, flags, width)
	return cmd
}
