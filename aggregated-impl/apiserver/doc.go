// Package apiserver builds the aggregated API server: Options (flags) -> Config (clients and listeners) -> Complete ->
// New (the API installed) -> Run.
//
// The generic server of k8s.io/apiserver does nearly everything a CustomResourceDefinition gets inside kube-apiserver:
// authentication and authorization by asking kube-apiserver, priority and fairness, audit, admission, watch caches,
// server-side apply, OpenAPI. What the library leaves to its user is wired here, and that is all there is: which
// options exist, how objects are encoded and where in etcd they go, quota, the deprecation warning, and a refusal to
// run where identity could be forged.
package apiserver
