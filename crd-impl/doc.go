// Package crdimpl is the crd form of the API as a value of install.Implementation: a CustomResourceDefinition inside
// kube-apiserver, and beside it, unless the profile does without, a webhook server (package webhook).
//
// It exists so that whatever installs, switches, compares or measures the API can treat this form like the other one.
// What the form has to say is in two files: the objects in config, and here how a profile changes them.
package crdimpl
