package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/shared/process"
)

// newSuperviseCommand is the program that duet up leaves running: it owns the processes of one control plane and does
// what other duet commands ask it to at its socket. It decides nothing by itself, so a new duet can drive an old one.
func newSuperviseCommand(genericiooptions.IOStreams) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:    "supervise",
		Short:  "Own the processes of a control plane (started by duet up)",
		Hidden: true,
		Args:   arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usagef(cmd, "--dir is missing")
			}
			return supervise(cmd.Context(), dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the control plane")
	return cmd
}

// supervise runs until the context ends or a client asks for the end, and then stops all processes in order.
func supervise(ctx context.Context, dir string) (err error) {
	supervisor, err := newSupervisor(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, supervisor.Close(context.WithoutCancel(ctx))) }()
	listener, err := process.Listen(process.SocketPath(dir))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &process.Server{Runner: supervisor, Shutdown: cancel}
	return server.Serve(ctx, listener)
}

// newSupervisor waits while the last supervisor of the directory is still stopping its processes.
func newSupervisor(ctx context.Context, dir string) (supervisor *process.Supervisor, err error) {
	waitErr := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, supervisorTimeout, true, func(context.Context) (bool, error) {
		supervisor, err = process.NewSupervisor(dir)
		var inUse *process.AlreadySupervisedError
		return !errors.As(err, &inUse), nil
	})
	return supervisor, cmp.Or(err, waitErr)
}
