package behaviour

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

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
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// kubectl runs kubectl's own commands in this process, so that a row needs no binary and its requests are recorded.
type kubectl struct {
	config    *rest.Config
	namespace string
	// told, if given, is called with everything that was printed so far, each time that a command prints.
	told func(printed string)
}

func (s *Subject) kubectl() kubectl { return kubectl{config: s.Config, namespace: s.Namespace} }

// newCommand is how kubectl's packages make a command.
type newCommand func(cmdutil.Factory, genericiooptions.IOStreams) *cobra.Command

// failure is how a command ends that would have ended the process.
type failure string

// failInstead has kubectl's commands panic where they would end the process. It is a setting of the whole process.
var failInstead = sync.OnceFunc(func() {
	cmdutil.BehaviorOnFatal(func(message string, _ int) { panic(failure(message)) })
})

// run runs one command and returns what it prints. Its requests end when the context does: a command that watches ends
// in this way only. An error is what kubectl tells its user.
func (k kubectl) run(ctx context.Context, make newCommand, args ...string) (printed string, err error) {
	failInstead()
	k.config = rest.CopyConfig(k.config)
	k.config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bound{ctx: ctx, next: next} })
	streams, _, _, complaints := genericiooptions.NewTestIOStreams()
	out := &printer{told: k.told}
	streams.Out = out
	defer func() {
		printed = out.text.String()
		reason := recover()
		if reason == nil {
			return
		}
		message, ok := reason.(failure)
		if !ok {
			panic(reason)
		}
		err = errors.New(strings.TrimPrefix(strings.TrimSpace(complaints.String()+string(message)), "error: "))
	}()
	command := make(cmdutil.NewFactory(k), streams)
	root := &cobra.Command{Use: "kubectl", SilenceErrors: true, SilenceUsage: true} // some name their parent as the manager
	root.AddCommand(command)
	root.SetArgs(append([]string{command.Name()}, args...))
	root.SetOut(streams.ErrOut)
	root.SetErr(streams.ErrOut)
	return "", root.ExecuteContext(ctx)
}

// printer is a command's standard output.
type printer struct {
	text bytes.Buffer
	told func(string)
}

func (p *printer) Write(content []byte) (int, error) {
	p.text.Write(content)
	if p.told != nil {
		p.told(p.text.String())
	}
	return len(content), nil
}

// bound ends requests with a context of its own: most commands of kubectl take none.
type bound struct {
	ctx  context.Context
	next http.RoundTripper
}

func (b bound) RoundTrip(request *http.Request) (*http.Response, error) {
	return b.next.RoundTrip(request.WithContext(b.ctx))
}

// file writes a manifest of objects to a file, and returns its name and what removes it.
func (k kubectl) file(objects ...*unstructured.Unstructured) (string, func(), error) {
	dir, err := os.MkdirTemp("", "duet-kubectl-")
	if err != nil {
		return "", nil, fmt.Errorf("could not create a directory for the manifest: %w", err)
	}
	remove := func() { _ = os.RemoveAll(dir) }
	var manifest []byte // one document after the other, which kubectl reads as it reads YAML
	for _, object := range objects {
		document, err := json.Marshal(object)
		if err != nil {
			remove()
			return "", nil, fmt.Errorf("could not encode the manifest: %w", err)
		}
		manifest = append(append(manifest, document...), '\n')
	}
	file := filepath.Join(dir, "manifest.json")
	if err := os.WriteFile(file, manifest, 0o600); err != nil {
		remove()
		return "", nil, fmt.Errorf("could not write the manifest: %w", err)
	}
	return file, remove, nil
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
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(client)
	return restmapper.NewShortcutExpander(mapper, client, func(string) {}), nil
}

func (k kubectl) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: k.namespace}}
	return clientcmd.NewDefaultClientConfig(clientcmdapi.Config{}, overrides)
}
