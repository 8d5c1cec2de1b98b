// Package controlplane runs a real Kubernetes control plane as local processes: etcd, kube-apiserver with the
// aggregation layer configured, and kube-controller-manager.
//
// It exists because Duet compares mechanisms that only show on the real thing: the aggregation layer and its front
// proxy, delegated authentication and authorization, garbage collection, namespace deletion. envtest starts the first
// two programs, but without durable data, without a controller manager, with an administrator that skips
// authorization, and without a way to kill or pause one of them.
//
// With Options.Kwok there are a scheduler and fake nodes too (nodes.go, kwok.go, kwok.yaml): pods become Ready, Jobs
// complete and claims get volumes as on a real cluster, so that a controller can be watched at its work, and nothing
// runs in any of them.
//
// Everything listens on the loopback address only and is authenticated: each connection has a certificate authority of
// its own purpose (see pki.go). Start is convergent: it starts what is missing and leaves alone what runs, so that it
// is also how a control plane recovers after a crash, with the data it had.
package controlplane
