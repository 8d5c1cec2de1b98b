package crdimpl

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/crd-impl/config"
	"github.com/duet-api/duet/crd-impl/webhook"
	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// Profiles of the form.
const (
	// ProfileWebhooks serves both versions, and enforces every rule.
	ProfileWebhooks = "webhooks"
	// ProfileSchemaOnly serves v1 alone, with what a schema and CEL can say and no process of its own: a
	// CustomResourceDefinition at its cheapest.
	ProfileSchemaOnly = "schema-only"
)

// ServerName is the name of the webhook server: of its binary, process, ServiceAccount, certificate and port.
const ServerName = "crd-webhook"

// loopback is where the webhook server of a local control plane listens. Nothing else on the network may ask it.
const loopback = "127.0.0.1"

// Form is the crd form.
type Form struct{}

var _ install.Implementation = Form{}

// Name implements install.Implementation.
func (Form) Name() string { return install.CRD }

// Profiles implements install.Implementation.
func (Form) Profiles() []string { return []string{ProfileWebhooks, ProfileSchemaOnly} }

// Capabilities implements install.Implementation.
func (Form) Capabilities(profile string) sets.Set[install.Capability] {
	if profile == ProfileSchemaOnly {
		return sets.New(install.ClusterStorage)
	}
	return sets.New(install.MultipleVersions, install.GoValidation, install.LookUps, install.OwnServer,
		install.ClusterStorage)
}

// Storage implements install.Implementation: a custom resource is always in kube-apiserver's own etcd.
func (Form) Storage(string) install.Storage { return install.ControlPlaneEtcd }

// Versions implements install.Implementation.
func (Form) Versions(profile string) []string {
	if profile == ProfileSchemaOnly {
		return []string{storageVersion}
	}
	return []string{storageVersion, deprecatedVersion}
}

// Plan implements install.Implementation.
func (Form) Plan(_ context.Context, env *install.Environment, profile string) (*install.Plan, error) {
	switch profile {
	case ProfileSchemaOnly:
		return planSchemaOnly(env.Etcd())
	case ProfileWebhooks:
		return planWebhooks(env)
	default:
		return nil, fmt.Errorf("the crd form has no profile %q", profile)
	}
}

// Park implements install.Implementation: the CustomResourceDefinition stays, because deleting it would delete every
// instance, and serves no version.
func (Form) Park(plan *install.Plan) []*unstructured.Unstructured {
	var parked []*unstructured.Unstructured
	for _, object := range plan.Objects {
		if object.GetKind() == "CustomResourceDefinition" {
			parked = append(parked, parkedCRD(object))
		}
	}
	return parked
}

func planSchemaOnly(etcd controlplane.EtcdAccess) (*install.Plan, error) {
	crd, err := schemaOnlyCRD()
	if err != nil {
		return nil, err
	}
	return &install.Plan{Objects: []*unstructured.Unstructured{crd}, Etcd: etcd}, nil
}

func planWebhooks(env *install.Environment) (*install.Plan, error) {
	port, err := env.Port(ServerName)
	if err != nil {
		return nil, err
	}
	path, err := env.Binary(ServerName)
	if err != nil {
		return nil, err
	}
	certFile, keyFile, caBundle, err := env.ServingFiles(ServerName, loopback)
	if err != nil {
		return nil, err
	}
	at := endpoint{address: net.JoinHostPort(loopback, strconv.Itoa(port)), caBundle: caBundle}
	rbac, err := config.RBAC()
	if err != nil {
		return nil, err
	}
	objects, err := webhookConfigurations(at)
	if err != nil {
		return nil, err
	}
	crd, err := convertingCRD(at.client(webhook.ConvertPath))
	if err != nil {
		return nil, err
	}
	return &install.Plan{
		Prerequisites: rbac,
		Processes: []process.Spec{{Name: ServerName, Path: path, Args: []string{
			"--bind-address=" + loopback,
			"--secure-port=" + strconv.Itoa(port),
			"--tls-cert-file=" + certFile,
			"--tls-private-key-file=" + keyFile,
			"--kubeconfig=" + env.KubeconfigFile(ServerName),
		}}},
		// The CustomResourceDefinition comes last: no instance can be written before the webhooks would see it.
		Objects: append(objects, crd),
		Etcd:    env.Etcd(),
	}, nil
}
