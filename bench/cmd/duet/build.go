package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/controlplane/assets"
)

func newBuildCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use:     "build [PROGRAM...]",
		GroupID: groupControlPlane,
		Short:   "Build the control plane's programs ahead of time",
		Long: `Build the programs of the control plane from Go modules into the user's cache directory, or into DUET_CACHE_DIR, and
print where each is. Every command does so by itself for what it needs; this one is for doing it beforehand, for
example in a container image or in CI. Without arguments it builds what "duet up" needs.

The programs are etcd, kube-apiserver, kube-controller-manager and kubectl; kube-scheduler and kwok for "duet up --kwok";
apiextensions-apiserver and sample-apiserver to measure against.`,
		Example: `  duet build
  duet build kube-scheduler kwok`,
		RunE: func(cmd *cobra.Command, programs []string) error {
			if len(programs) == 0 {
				programs = controlplane.Components()
			}
			finder, err := assets.NewFinder(streams.ErrOut)
			if err != nil {
				return err
			}
			for _, program := range programs {
				path, err := finder.Find(cmd.Context(), program)
				if err != nil {
					return err
				}
				fmt.Fprintln(streams.Out, path)
			}
			return nil
		},
	}
}
