package controlplane

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// What kwok does with nodes, pods and volumes.
//
//go:embed kwok.yaml
var kwokStages []byte

// podLogs has every container on every fake node log the same file. What it logs cannot depend on the pod: kwok has a
// file per pod only by objects of its own in the cluster, and whoever may create those can read any file.
const podLogs = `---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata:
  name: all
spec:
  logs:
  - logsFile: %q
`

// podCIDR is where pods on fake nodes get their addresses from: apart from serviceClusterIPRange.
const podCIDR = "10.64.0.0/12"

// fakeNodeAnnotation marks the nodes that kwok manages.
const fakeNodeAnnotation = "kwok.x-k8s.io/node"

func kwokDir(dir string) string { return filepath.Join(dir, Kwok) }

func kwokConfigFile(dir string) string { return filepath.Join(kwokDir(dir), "kwok.yaml") }

func podLog(dir string) string { return filepath.Join(kwokDir(dir), "pods.log") }

func writeKwokConfig(dir string) error {
	if err := os.MkdirAll(kwokDir(dir), 0o700); err != nil {
		return fmt.Errorf("could not make kwok's directory: %w", err)
	}
	config := append(slices.Clone(kwokStages), fmt.Sprintf(podLogs, podLog(dir))...)
	if err := renameio.WriteFile(kwokConfigFile(dir), config, 0o600); err != nil {
		return fmt.Errorf("could not write kwok's configuration: %w", err)
	}
	log, err := os.OpenFile(podLog(dir), os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("could not make the log of the pods: %w", err)
	}
	return log.Close()
}

func kwokArgs(dir string, port int) []string {
	return []string{
		"--kubeconfig=" + clientKubeconfig(dir, Kwok),
		"--config=" + kwokConfigFile(dir),
		// Otherwise it logs every change that it makes.
		"--v=WARN",
		"--manage-nodes-with-annotation-selector=" + fakeNodeAnnotation + "=fake",
		// There is one, and after a kill nothing should wait for the leases of the dead one to end.
		"--node-lease-duration-seconds=0",
		"--cidr=" + podCIDR,
		// Its server is the kubelet of all nodes.
		"--node-ip=127.0.0.1",
		"--node-name=localhost",
		fmt.Sprintf("--node-port=%d", port),
		fmt.Sprintf("--server-address=127.0.0.1:%d", port),
		"--tls-cert-file=" + certFile(dir, Kwok),
		"--tls-private-key-file=" + keyFile(dir, Kwok),
	}
}

// kwokEnvironment keeps the user's own kwok.yaml out: it would be read as well, from the home directory.
func kwokEnvironment(dir string) []string { return []string{"KWOK_WORKDIR=" + kwokDir(dir)} }

// nodesReady is nil when all fake nodes take pods.
func nodesReady(ctx context.Context, client kubernetes.Interface) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: fakeNodeLabel})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		// A new node is tainted until kube-controller-manager has seen that it is ready.
		if !ready || len(node.Spec.Taints) > 0 {
			return fmt.Errorf("node %s is not ready", node.Name)
		}
	}
	return nil
}
