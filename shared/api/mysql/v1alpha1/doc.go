// +k8s:openapi-gen=true
// +k8s:deepcopy-gen=package
// +k8s:conversion-gen=github.com/duet-api/duet/shared/api/mysql
// +k8s:defaulter-gen=TypeMeta
// +k8s:openapi-model-package=com.example.mysql.v1alpha1
// +groupName=mysql.example.com

// Package v1alpha1 is the first, deprecated version of the MySQLInstance API: flat, with bools and units in field
// names, as cloud databases have it. It is still served so that conversion is real work: the functions here turn it
// into the hub (../) and back without losing what either side cannot say.
package v1alpha1
