// Package assets finds or builds the programs of a control plane: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler, kubectl, and kwok for fake nodes.
//
// It exists so that Duet needs nothing but a Go toolchain: the programs come from Go modules, pinned by kubernetes.mod
// and kwok.mod with their sums, and are built once per version into the user's cache directory. These are modules of
// their own, under file names that Go does not take for one, so that k8s.io/kubernetes never enters the requirements of
// Duet, and so that the files can be embedded and a duet binary can build wherever it runs; see
// docs/decisions/0002-control-plane-binaries.md.
package assets
