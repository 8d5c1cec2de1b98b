// Command crd-webhook is the process of the crd form: it answers the conversion, defaulting and validation reviews that
// kube-apiserver sends about MySQLInstances. Package webhook says what it does; this is its command line.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/term"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/duet-api/duet/crd-impl/webhook"
)

const long = `crd-webhook answers what kube-apiserver cannot decide from the CustomResourceDefinition of
MySQLInstance alone. It serves three endpoints over TLS:

  /convert   instances of v1alpha1 as v1 and back, a list at a time
  /default   for v1alpha1, the default that depends on another field, and the v1 status that it carries
  /validate  the rules in Go, and those that look up Secrets and StorageClasses

The CustomResourceDefinition and the webhook configurations name its address and the CA of its
certificate; "duet install --impl crd" writes all of them. While it is down, instances can be read
in v1, labelled and deleted; no spec can be written (failurePolicy: Fail), and v1alpha1 fails.

The certificate is read again when its files change. /healthz and /readyz answer "ok".

Examples:
  # In a pod: the service account gives access to Secrets and StorageClasses.
  crd-webhook --bind-address=0.0.0.0 --tls-cert-file=/certs/tls.crt --tls-private-key-file=/certs/tls.key

  # On this machine, beside a control plane.
  crd-webhook --kubeconfig=crd-webhook.kubeconfig --tls-cert-file=webhook.crt --tls-private-key-file=webhook.key`

func main() {
	// One plain line, whatever went wrong: whoever started the server looks for it at the end of the log.
	if err := cli.RunNoErrOutput(newCommand()); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	options := newOptions()
	cmd := &cobra.Command{
		Use:   "crd-webhook",
		Short: "Answer kube-apiserver's reviews of MySQLInstances",
		Long:  long,
		Args:  cobra.NoArgs,
		// The help is long; an error in a flag is one line that must not drown in it.
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			if err := options.validate(); err != nil {
				return err
			}
			if err := logsapi.ValidateAndApply(options.logging, nil); err != nil {
				return err
			}
			ctrl.SetLogger(klog.Background())
			return run(ctrl.SetupSignalHandler(), options)
		},
	}
	sections := options.flags()
	for _, section := range sections.FlagSets {
		cmd.Flags().AddFlagSet(section)
	}
	width, _, err := term.TerminalSize(cmd.OutOrStdout())
	if err != nil {
		width = 0 // The output is no terminal: lines are not broken.
	}
	cliflag.SetUsageAndHelpFunc(cmd, sections, width)
	return cmd
}

func run(ctx context.Context, options *options) error {
	config, err := options.config(clientConfig)
	if err != nil {
		return err
	}
	server, err := webhook.NewServer(config)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// clientConfig is that of the file, or that of the pod's service account without one.
func clientConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}
