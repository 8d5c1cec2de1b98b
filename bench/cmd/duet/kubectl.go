package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/controlplane/assets"
	"github.com/duet-api/duet/shared/process"
)

func newKubectlCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use:     "kubectl [--name NAME | --dir DIR] [--] ARGUMENTS...",
		GroupID: groupControlPlane,
		Short:   "Run kubectl against a control plane",
		Long: `Run kubectl, in the control plane's own version, as the administrator of a control plane. All arguments are
kubectl's, except --name and --dir when they come first. The first time this builds kubectl, unless
KUBEBUILDER_ASSETS has it.`,
		Example: `  duet kubectl get namespaces
  duet kubectl apply -f instance.yaml
  duet kubectl --name other -- get nodes -o wide`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			where, rest, err := splitKubectl(cmd, args)
			if err != nil {
				return err
			}
			return kubectl(cmd.Context(), streams, where, rest)
		},
	}
}

// splitKubectl takes duet's own flags from the front of the arguments, and leaves everything else untouched.
func splitKubectl(cmd *cobra.Command, args []string) (location, []string, error) {
	var where location
	flags := pflag.NewFlagSet("kubectl", pflag.ContinueOnError)
	where.addFlags(flags)
	own := 0
	for own < len(args) {
		flag, _, hasValue := strings.Cut(args[own], "=")
		if flag != "--name" && flag != "--dir" {
			break
		}
		if own++; !hasValue {
			own++
		}
	}
	if own > len(args) {
		return where, nil, usagef(cmd, "flag needs an argument: %s", args[len(args)-1])
	}
	if err := flags.Parse(args[:own]); err != nil {
		return where, nil, usagef(cmd, "%w", err)
	}
	rest := args[own:]
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	return where, rest, where.resolve(cmd)
}

// kubectl replaces this program, so that signals, the terminal and the exit code are kubectl's own.
func kubectl(ctx context.Context, streams genericiooptions.IOStreams, where location, args []string) error {
	kubeconfig := controlplane.AdminKubeconfig(where.dir)
	if _, err := os.Stat(kubeconfig); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no control plane %q in %s: start it with duet up%s", where.name, where.dir, where.flags())
	}
	if _, err := process.NewClient(process.SocketPath(where.dir)).Info(ctx); err != nil {
		fmt.Fprintf(streams.ErrOut, "note: control plane %q is not up: start it with duet up%s\n", where.name, where.flags())
	}
	finder, err := assets.NewFinder(streams.ErrOut)
	if err != nil {
		return err
	}
	path, err := finder.Find(ctx, assets.Kubectl)
	if err != nil {
		return err
	}
	environment := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "KUBECONFIG=") })
	environment = append(environment, "KUBECONFIG="+kubeconfig)
	if err := syscall.Exec(path, append([]string{assets.Kubectl}, args...), environment); err != nil {
		return fmt.Errorf("could not run %s: %w", path, err)
	}
	return nil
}
