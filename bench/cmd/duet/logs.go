package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/duet-api/duet/shared/process"
)

// followEvery is how often a followed log is looked at again.
const followEvery = 200 * time.Millisecond

func newLogsCommand(streams genericiooptions.IOStreams, where *location) *cobra.Command {
	var follow bool
	var tail int
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print what a process has written",
		Example: `  duet components logs etcd
  duet components logs kube-apiserver --tail 20 --follow`,
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if tail < 0 {
				return usagef(cmd, "invalid --tail %d: must not be negative", tail)
			}
			runner, err := where.runner(cmd)
			if err != nil {
				return err
			}
			status, err := process.Find(cmd.Context(), runner, args[0])
			if err != nil {
				return err
			}
			return printLog(cmd.Context(), streams.Out, status.LogFile, tail, follow)
		},
	}
	cmd.Flags().IntVar(&tail, "tail", 0, "print only this many lines from the end of the last start; 0 prints all of every start")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is written, until Ctrl-C")
	return cmd
}

func printLog(ctx context.Context, out io.Writer, path string, tail int, follow bool) error {
	log, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("could not read the log: %w", err)
	}
	defer log.Close()
	if tail > 0 {
		if _, err := log.Seek(0, io.SeekEnd); err != nil {
			return fmt.Errorf("could not read the log: %w", err)
		}
		lines, err := process.LogTail(path, tail)
		if err != nil {
			return err
		}
		if len(lines) > 0 {
			printLines(out, lines...)
		}
	}
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		if _, err := io.Copy(out, log); err != nil {
			return fmt.Errorf("could not print the log: %w", err)
		}
		if !follow {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}
