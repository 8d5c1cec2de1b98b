// Command duet serves one API in two ways, as a CustomResourceDefinition and by an aggregated API server, on a control
// plane of its own, and compares them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"

	"github.com/duet-api/duet/shared/switching"
)

// Exit codes, so that scripts can tell a wrong command line from work that failed.
const (
	exitFailure = 1
	exitUsage   = 2
	exitMissed  = 3
	exitRefused = 4
)

func main() {
	// What client libraries log is for their developers: probes that provoke errors provoke such lines too. Errors that
	// matter come back to the command.
	klog.SetLogger(logr.Discard())
	// The first signal lets the command stop what it started; after that a second one ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	os.Exit(run(ctx, streams, os.Args[1:]))
}

// run executes one command line and returns the program's exit code.
func run(ctx context.Context, streams genericiooptions.IOStreams, args []string) int {
	root := newRootCommand(streams)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var program *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &program):
		// A program that was run in place of duet has said itself what went wrong.
		return program.ExitCode()
	case errors.As(err, &usage):
		fmt.Fprintf(streams.ErrOut, "error: %v\nRun '%s --help' for usage.\n", err, usage.command)
		return exitUsage
	}
	fmt.Fprintf(streams.ErrOut, "error: %v\n", err)
	if errors.Is(err, errMissed) {
		return exitMissed
	}
	if refused := (*switching.RefusedError)(nil); errors.As(err, &refused) {
		return exitRefused
	}
	return exitFailure
}

// usageError is a mistake in the command line.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }
