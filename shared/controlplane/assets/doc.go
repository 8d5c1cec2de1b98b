// Package assets finds or builds the programs of a control plane: etcd, kube-apiserver, kube-controller-manager, kubectl.
//
// It exists so that Duet needs nothing but a Go toolchain: the programs come from Go modules, pinned by kubernetes.mod
// and kubernetes.sum, and are built once per version into the user's cache directory. They are a module of their own,
// under a file name that Go does not take for one, so that k8s.io/kubernetes never enters the requirements of Duet, and
// so that the files can be embedded and a duet binary can build wherever it runs; see
// docs/decisions/0002-control-plane-binaries.md.
package assets
