package assets

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"path/filepath"
	"runtime"
)

// module is what pins everything that some of the programs are built from.
type module struct {
	// name begins with what it builds, and has its versions.
	name string
	// file and sums are go.mod and go.sum, under names that Go does not take for a module.
	file, sums []byte
}

//go:embed kubernetes.mod
var kubernetesFile []byte

//go:embed kubernetes.sum
var kubernetesSums []byte

//go:embed kwok.mod
var kwokFile []byte

//go:embed kwok.sum
var kwokSums []byte

//go:embed peers.mod
var peersFile []byte

//go:embed peers.sum
var peersSums []byte

// The modules. kwok is one of its own, because it needs other versions of what both depend on, and because a new kwok
// is no reason to build a kube-apiserver again. The peers, API servers to compare with, need a tenth of what Kubernetes
// needs.
var (
	kubernetes = module{"kubernetes-" + KubernetesVersion + "_etcd-" + EtcdVersion, kubernetesFile, kubernetesSums}
	kwok       = module{"kwok-" + KwokVersion, kwokFile, kwokSums}
	peers      = module{"peers-" + LibraryVersion, peersFile, peersSums}
)

// dir is where this Finder keeps what it builds from a module: one directory per set of versions and platform, so that
// an upgrade never runs an old program.
func (f *Finder) dir(m module) string {
	sums := sha256.Sum256(bytes.Join([][]byte{m.file, m.sums}, nil))
	key := fmt.Sprintf("%s_%s_%s_%x", m.name, runtime.GOOS, runtime.GOARCH, sums[:4])
	return filepath.Join(f.Cache, "assets", key)
}
