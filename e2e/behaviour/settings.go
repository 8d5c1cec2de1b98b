package behaviour

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"github.com/duet-api/duet/e2e/otlp"
	"github.com/duet-api/duet/shared/install"
)

// production is an annex with what a cluster that is taken seriously has switched on: encryption at rest, an audit log
// with bodies, traces of every request, and an authorizer beside RBAC.
var production = setting{name: "production", prepare: prepareProduction}

// apart is an annex where the form keeps its objects in a storage of its own, if it can, in etcds that are soon full and
// with servers that are asked to store protobuf.
var apart = setting{
	name: "apart", storage: install.DedicatedEtcd,
	prepare: func(string, *annex) (everyServer, front []string, err error) {
		return []string{"--storage-media-type=application/vnd.kubernetes.protobuf"}, nil, nil
	},
	etcdArgs: []string{fmt.Sprintf("--quota-backend-bytes=%d", 16<<20)},
}

// auditBodies logs every request with both bodies, but reads of Kubernetes itself, which would fill the disk.
const auditBodies = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  verbs: [get, list, watch]
  userGroups: [system:nodes, "system:serviceaccounts:kube-system", "system:serviceaccounts:duet-system"]
- level: RequestResponse
  resources:
  - group: mysql.example.com
  - group: authorization.k8s.io
    resources: [subjectaccessreviews]
- level: Metadata
`

const encryptionOfInstances = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [mysqlinstances.mysql.example.com]
  providers:
  - aescbc:
      keys:
      - name: one
        secret: %s
  - identity: {}
`

// authorizerAccess is a kubeconfig: it is how kube-apiserver is told where its authorizer is.
const authorizerAccess = `apiVersion: v1
kind: Config
clusters:
- name: authorizer
  cluster: {server: %s}
contexts:
- name: authorizer
  context: {cluster: authorizer}
current-context: authorizer
`

func prepareProduction(dir string, started *annex) (everyServer, front []string, err error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, nil, fmt.Errorf("could not make a key: %w", err)
	}
	started.spans = &otlp.Receiver{}
	traces, err := started.spans.Listen("the servers")
	if err != nil {
		return nil, nil, err
	}
	if started.asked, err = startAuthorizer(); err != nil {
		return nil, nil, err
	}
	for _, file := range []struct {
		args          *[]string
		flag, content string
	}{
		{&everyServer, "audit-policy-file", auditBodies},
		{&everyServer, "encryption-provider-config", fmt.Sprintf(encryptionOfInstances, base64.StdEncoding.EncodeToString(key))},
		{&everyServer, "tracing-config-file", otlp.Configuration(traces)},
		{&front, "authorization-webhook-config-file", fmt.Sprintf(authorizerAccess, started.asked.url)},
	} {
		path := filepath.Join(dir, file.flag+".yaml")
		if err := os.WriteFile(path, []byte(file.content), 0o600); err != nil {
			return nil, nil, fmt.Errorf("could not write a server's settings: %w", err)
		}
		*file.args = append(*file.args, "--"+file.flag+"="+path)
	}
	// When a certificate was read again is told by the log only. The mode is added to the one that is there, RBAC.
	return everyServer, append(front, "--vmodule=dynamic_serving_content=2", "--authorization-mode=Webhook", "--authorization-webhook-version=v1",
		"--authorization-webhook-cache-authorized-ttl=0s", "--authorization-webhook-cache-unauthorized-ttl=0s"), nil
}
