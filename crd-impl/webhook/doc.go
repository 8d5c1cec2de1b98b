// Package webhook is the crd form's own process: what kube-apiserver has to ask somebody else about a custom resource.
//
// It exists because a schema cannot say everything. kube-apiserver cannot convert between versions that differ in more
// than their name (/convert), cannot set a default that depends on another field or guard a status that travels in an
// annotation (/default), and cannot check a rule that needs a program or another object (/validate). The three endpoints
// take a review apart, call the functions that both forms share, and put the answer together. No rule, default or
// conversion is written here: compare this package with aggregated-impl, where the same functions are called in process.
//
// # Who may call
//
// kube-apiserver verifies this server's certificate, and by itself shows none of its own, so by default every client
// that reaches the port is answered. /convert and /default give away nothing, because they compute with what the client
// sent. /validate looks up Secrets with this server's rights: who may call it can find out whether a Secret exists and
// has a key, in any namespace, though never a value. Keep the port to kube-apiserver (loopback, or a NetworkPolicy), or
// set a client CA: then /default and /validate answer only a client with a certificate of that CA. kube-apiserver shows
// one if its admission configuration names a kubeconfig for this host. For /convert it has no such setting, so that
// endpoint never asks.
package webhook
