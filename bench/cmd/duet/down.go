package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/shared/controlplane"
)

func newDownCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var where location
	var deleteData bool
	cmd := &cobra.Command{
		Use:     "down",
		GroupID: groupControlPlane,
		Short:   "Stop a control plane and everything that runs on it",
		Long: `Stop a control plane and the processes of the forms that are installed to it. The data stays, and the next
"duet up" continues with it, unless --delete-data is given.`,
		Example: `  # Stop, keep the data
  duet down

  # Stop, and remove data, certificates and logs
  duet down --delete-data`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := where.resolve(cmd); err != nil {
				return err
			}
			return down(cmd.Context(), streams, where, deleteData)
		},
	}
	where.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&deleteData, "delete-data", false, "also remove the data, the certificates and the logs")
	return cmd
}

func down(ctx context.Context, streams genericiooptions.IOStreams, where location, deleteData bool) error {
	wasUp, err := controlplane.Shutdown(ctx, where.dir)
	if err != nil {
		return err
	}
	what := "is down"
	if !wasUp {
		what = "was not up"
	}
	if deleteData {
		if err := controlplane.DeleteData(where.dir); err != nil {
			return err
		}
		fmt.Fprintf(streams.Out, "control plane %q %s; %s is deleted\n", where.name, what, where.dir)
		return nil
	}
	stays := ""
	if _, err := os.Stat(where.dir); err == nil {
		stays = "; its data stays in " + where.dir
	}
	fmt.Fprintf(streams.Out, "control plane %q %s%s\n", where.name, what, stays)
	return nil
}
