// Package subresource is what a CustomResourceDefinition cannot have: subresources that run code. metrics computes its
// answer from the live servers, backup and restart start something, log streams for as long as the client listens.
//
// Each is a small type with the interfaces of k8s.io/apiserver/pkg/registry/rest that make the generic server route the
// right verbs to it, and nothing else: discovery, OpenAPI, authorization, admission, audit and content negotiation
// follow from those. The shapes are those of the built-in API: backup and restart are requests that come back with
// their status filled in, as serviceaccounts/token does, and log is pods/log.
//
// The caller was authorized for the subresource when these run. What they then do in the cluster they do with the
// server's own rights, so each first makes sure that the object it reaches for is the instance's: otherwise whoever may
// name an instance could read the log of any pod that happens to be called like one of its servers.
package subresource
