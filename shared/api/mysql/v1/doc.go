// +k8s:openapi-gen=true
// +k8s:deepcopy-gen=package
// +k8s:protobuf-gen=package
// +k8s:conversion-gen=github.com/duet-api/duet/shared/api/mysql
// +k8s:defaulter-gen=TypeMeta
// +k8s:openapi-model-package=com.example.mysql.v1
// +groupName=mysql.example.com

// Package v1 is the storage version of the MySQLInstance API: the one whose bytes are in etcd, whichever form
// wrote them. The markers on its types make the CustomResourceDefinition; the Go rules that the aggregated server
// (and the CRD's webhook) run are in ../validation, and ../corpus holds the two to the same verdicts.
package v1
