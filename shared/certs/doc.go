// Package certs makes the certificate authorities and the certificates of a local Duet.
//
// It exists because every trust decision that Duet compares must be real: the control plane, the aggregated server and
// the webhook server prove who they are with certificates from these authorities, and nothing anywhere skips
// verification. Each authority has one job (see shared/controlplane), so that a certificate that is good for one
// purpose is refused for another.
//
// Certificates name their hosts only as subject alternative names, are short-lived, and are re-issued in place by the
// Ensure functions before they expire. The servers reload changed files by themselves.
package certs
