package lineup

import (
	"context"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/matrix"
	"github.com/duet-api/duet/shared/controlplane/assets"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

//go:embed peers.yaml
var peerObjects string

// peerNamespace is where peers.yaml has the objects of peers.
const peerNamespace = "duet-peers"

// peer is an API server that is not Duet's, put behind an APIService so that the forms can be held against it.
type peer struct {
	// program, as shared/controlplane/assets builds it.
	program string
	// version and group that it is to serve.
	version schema.GroupVersion
	// prefix of its keys in the control plane's etcd.
	prefix string
}

// The peers.
var (
	// extensionsServer serves the CustomResourceDefinitions of the cluster, with the keys of kube-apiserver: the same code
	// as the crd form, behind the hop of the aggregated one. What it takes more than the crd form is the price of the hop.
	extensionsServer = peer{assets.ExtensionsServer, install.Resource.GroupVersion(), ""}
	// sampleServer is what upstream starts an aggregated API server from, with the options that it comes with.
	sampleServer = peer{assets.SampleServer, arm.FlunderResource.GroupVersion(), "/registry/" + arm.FlunderResource.Group}
)

// start runs the peer beside a side's control plane and registers it. The process ends with the side.
func (p peer) start(ctx context.Context, side *matrix.Side) error {
	env := side.Installer.Env
	port, err := env.Port(p.program)
	if err != nil {
		return err
	}
	certFile, keyFile, caBundle, err := env.ServingFiles(p.program, p.program+"."+peerNamespace+".svc", "localhost", "127.0.0.1")
	if err != nil {
		return err
	}
	objects, err := p.objects()
	if err != nil {
		return err
	}
	if err := side.Installer.Apply(ctx, objects); err != nil {
		return err
	}
	kubeconfig, err := env.TokenKubeconfig(ctx, types.NamespacedName{Namespace: peerNamespace, Name: p.program})
	if err != nil {
		return err
	}
	finder, err := assets.NewFinder(side.Out)
	if err != nil {
		return err
	}
	path, err := finder.Find(ctx, p.program)
	if err != nil {
		return err
	}
	etcd := env.Etcd()
	prefix := p.prefix
	if prefix == "" {
		prefix = etcd.Prefix
	}
	spec := process.Spec{
		Name: p.program, Path: path, Env: []string{"NO_PROXY=*", "no_proxy=*"},
		Args: []string{
			"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--tls-cert-file=" + certFile,
			"--tls-private-key-file=" + keyFile, "--etcd-servers=" + etcd.URL, "--etcd-prefix=" + prefix,
			"--etcd-cafile=" + etcd.CAFile, "--etcd-certfile=" + etcd.CertFile, "--etcd-keyfile=" + etcd.KeyFile,
			"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		},
	}
	if env.Amend != nil {
		spec = env.Amend(spec)
	}
	if err := env.Runner().Run(ctx, spec); err != nil {
		return err
	}
	return side.Installer.Apply(ctx, []*unstructured.Unstructured{p.apiService(port, caBundle)})
}

// objects are those of peers.yaml under the peer's name.
func (p peer) objects() ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(strings.ReplaceAll(peerObjects, "PEER", p.program)), len(peerObjects))
	for range strings.Count(peerObjects, "\n---\n") + 1 {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); err != nil {
			return nil, fmt.Errorf("could not read the objects of %s: %w", p.program, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// apiService makes kube-apiserver forward the peer's version to it. The label keeps kube-apiserver from putting one that
// it made for a CustomResourceDefinition back.
func (p peer) apiService(port int, caBundle []byte) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{
			"name":   p.version.Version + "." + p.version.Group,
			"labels": map[string]any{"kube-aggregator.kubernetes.io/automanaged": "false"},
		},
		"spec": map[string]any{
			"group": p.version.Group, "version": p.version.Version,
			"groupPriorityMinimum": int64(1000), "versionPriority": int64(100),
			"caBundle": base64.StdEncoding.EncodeToString(caBundle),
			"service": map[string]any{
				"namespace": peerNamespace, "name": p.program, "port": int64(port),
			},
		},
	}}
}
