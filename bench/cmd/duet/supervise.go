package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/spf13/cobra"
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
	supervisor, err := process.NewSupervisor(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, supervisor.Close(context.WithoutCancel(ctx))) }()
	socket := process.SocketPath(dir)
	listener, err := process.Listen(socket)
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.Remove(socket); removeErr != nil && !os.IsNotExist(removeErr) {
			err = errors.Join(err, fmt.Errorf("could not remove the socket: %w", removeErr))
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &process.Server{Runner: supervisor, Shutdown: sync.OnceFunc(cancel)}
	return server.Serve(ctx, listener)
}
