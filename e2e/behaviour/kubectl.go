package behaviour

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/kubectl/pkg/cmd/apply"
	"k8s.io/kubectl/pkg/cmd/patch"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// kubectl runs kubectl's own commands in this process, so that a row needs no binary and its requests are recorded.
// The commands end the process on an error; their options do not, so it is the options that are run.
type kubectl struct {
	config    *rest.Config
	namespace string
}

func (s *Subject) kubectl() kubectl { return kubectl{config: s.Config, namespace: s.Namespace} }

func (k kubectl) patch(patchText string, args ...string) error {
	streams := genericiooptions.NewTestIOStreamsDiscard()
	factory := cmdutil.NewFactory(k)
	options := patch.NewPatchOptions(streams)
	options.Patch = patchText
	if err := options.Complete(factory, patch.NewCmdPatch(factory, streams), args); err != nil {
		return fmt.Errorf("could not prepare kubectl patch: %w", err)
	}
	if err := options.Validate(); err != nil {
		return fmt.Errorf("could not prepare kubectl patch: %w", err)
	}
	return options.RunPatch()
}

func (k kubectl) apply(object *unstructured.Unstructured) error {
	dir, err := os.MkdirTemp("", "duet-apply-")
	if err != nil {
		return fmt.Errorf("could not create a directory for the manifest: %w", err)
	}
	defer os.RemoveAll(dir)
	manifest, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("could not encode the manifest: %w", err)
	}
	file := filepath.Join(dir, "manifest.json")
	if err := os.WriteFile(file, manifest, 0o600); err != nil {
		return fmt.Errorf("could not write the manifest: %w", err)
	}
	flags := apply.NewApplyFlags(genericiooptions.NewTestIOStreamsDiscard())
	command := &cobra.Command{Use: "apply"}
	flags.AddFlags(command)
	if err := command.Flags().Set("filename", file); err != nil {
		return fmt.Errorf("could not prepare kubectl apply: %w", err)
	}
	options, err := flags.ToOptions(cmdutil.NewFactory(k), command, "kubectl", nil)
	if err != nil {
		return fmt.Errorf("could not prepare kubectl apply: %w", err)
	}
	if err := options.Validate(); err != nil {
		return fmt.Errorf("could not prepare kubectl apply: %w", err)
	}
	return options.Run()
}

// The rest gives kubectl's factory the row's access instead of a kubeconfig file.

func (k kubectl) ToRESTConfig() (*rest.Config, error) { return k.config, nil }

func (k kubectl) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	client, err := discovery.NewDiscoveryClientForConfig(k.config)
	if err != nil {
		return nil, err
	}
	return memory.NewMemCacheClient(client), nil
}

func (k kubectl) ToRESTMapper() (meta.RESTMapper, error) {
	client, err := k.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(client), nil
}

func (k kubectl) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: k.namespace}}
	return clientcmd.NewDefaultClientConfig(clientcmdapi.Config{}, overrides)
}
