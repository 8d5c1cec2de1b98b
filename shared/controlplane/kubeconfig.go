package controlplane

import (
	"fmt"
	"path/filepath"

	"github.com/google/renameio/v2"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// clientKubeconfig is the file with which a component finds kube-apiserver.
func clientKubeconfig(dir, component string) string {
	return filepath.Join(dir, component+".kubeconfig")
}

// writeClientKubeconfig refers to the certificate's files, because a running client reloads those.
func writeClientKubeconfig(dir, component, url string) error {
	client := componentClients[component].name
	return writeKubeconfig(clientKubeconfig(dir, component), component,
		&api.Cluster{Server: url, CertificateAuthority: certFile(dir, ClusterCA)},
		&api.AuthInfo{ClientCertificate: certFile(dir, client), ClientKey: keyFile(dir, client)})
}

// writeAdminKubeconfig writes a kubeconfig that can be copied elsewhere, with a fresh certificate inside.
func writeAdminKubeconfig(dir, url, name string) error {
	config, err := userConfig(dir, url, AdministratorUser, AdministratorsGroup)
	if err != nil {
		return err
	}
	return writeKubeconfig(AdminKubeconfig(dir), "duet-"+name,
		&api.Cluster{Server: url, CertificateAuthorityData: config.CAData},
		&api.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData})
}

func writeKubeconfig(path, name string, cluster *api.Cluster, user *api.AuthInfo) error {
	config := api.NewConfig()
	config.Clusters[name] = cluster
	config.AuthInfos[name] = user
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("could not encode %s: %w", path, err)
	}
	if err := renameio.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("could not write %s: %w", path, err)
	}
	return nil
}
