package v1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +genclient:method=GetScale,verb=get,subresource=scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=UpdateScale,verb=update,subresource=scale,input=k8s.io/api/autoscaling/v1.Scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=GetMetrics,verb=get,subresource=metrics,result=MySQLInstanceMetrics
// +genclient:method=StartBackup,verb=create,subresource=backup,input=MySQLInstanceBackup,result=MySQLInstanceBackup
// +genclient:method=Restart,verb=create,subresource=restart,input=MySQLInstanceRestart,result=MySQLInstanceRestart
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:path=mysqlinstances,scope=Namespaced,shortName=mysql,categories=all;databases
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:selectablefield:JSONPath=`.spec.version`
// +kubebuilder:selectablefield:JSONPath=`.spec.powerState`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`,description="MySQL version asked for."
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the instance serves as asked."
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.spec.replicas`,description="Servers asked for, the primary included."
// +kubebuilder:printcolumn:name="Storage",type=string,JSONPath=`.spec.storage.size`,description="Volume size asked for, per server."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=`.status.endpoint.host`,description="Host name of the writable primary."

// MySQLInstance is a MySQL server with its replicas, volumes, account and backups.
type MySQLInstance struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is the instance as its owner wants it.
	// +required
	Spec MySQLInstanceSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`

	// status is the instance as the controller last saw it.
	// +optional
	Status MySQLInstanceStatus `json:"status,omitempty,omitzero" protobuf:"bytes,3,opt,name=status"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// MySQLInstanceList is a list of MySQLInstance.
type MySQLInstanceList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// items are the instances.
	Items []MySQLInstance `json:"items" protobuf:"bytes,2,rep,name=items"`
}

// MySQLInstanceSpec is what the owner of an instance asks for.
type MySQLInstanceSpec struct {
	// version is the MySQL version, X.Y.Z, of a supported release series (8.0, 8.4, 9.x).
	// It only rises, by one release series at a time.
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^(8\.0|8\.4|9\.[0-6])\.(0|[1-9][0-9]?)$`
	// +kubebuilder:validation:XValidation:rule="!isSemver(self) || !isSemver(oldSelf) || semver(self).compareTo(semver(oldSelf)) >= 0",message="may not fall"
	Version string `json:"version" protobuf:"bytes,1,opt,name=version"`

	// replicas is the number of servers. Ordinal 0 is the writable primary, the others follow it.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9
	Replicas *int32 `json:"replicas,omitempty" protobuf:"varint,2,opt,name=replicas"`

	// resources are given to each server.
	// +optional
	// +kubebuilder:default={}
	Resources Resources `json:"resources,omitempty" protobuf:"bytes,3,opt,name=resources"`

	// storage is the data volume of each server.
	// +required
	// +kubebuilder:validation:XValidation:rule="!isQuantity(string(self.size)) || !isQuantity(string(oldSelf.size)) || quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",fieldPath=".size",message="may only grow"
	// +kubebuilder:validation:XValidation:rule="has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",fieldPath=".storageClassName",message="is set at creation or never"
	Storage Storage `json:"storage" protobuf:"bytes,4,opt,name=storage"`

	// credentials name the root account's password. Without them the controller makes
	// a Secret named <instance>-root.
	// +optional
	Credentials *Credentials `json:"credentials,omitempty" protobuf:"bytes,5,opt,name=credentials"`

	// parameters are MySQL system variables for the option file.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +patchStrategy=merge
	// +patchMergeKey=name
	// +kubebuilder:validation:MaxItems=128
	Parameters []Parameter `json:"parameters,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,6,rep,name=parameters"`

	// tls is how clients may or must encrypt.
	// +optional
	// +kubebuilder:default={}
	TLS TLS `json:"tls,omitempty" protobuf:"bytes,7,opt,name=tls"`

	// service is how clients reach the instance.
	// +optional
	// +kubebuilder:default={}
	Service Service `json:"service,omitempty" protobuf:"bytes,8,opt,name=service"`

	// backup, if set, runs regular backups.
	// +optional
	Backup *Backup `json:"backup,omitempty" protobuf:"bytes,9,opt,name=backup"`

	// maintenanceWindow, if set, is the only time for disruptive changes.
	// +optional
	MaintenanceWindow *MaintenanceWindow `json:"maintenanceWindow,omitempty" protobuf:"bytes,10,opt,name=maintenanceWindow"`

	// minorUpgradePolicy is who moves the instance to a newer patch of its series.
	// +optional
	// +default="Manual"
	MinorUpgradePolicy MinorUpgradePolicy `json:"minorUpgradePolicy,omitempty" protobuf:"bytes,11,opt,name=minorUpgradePolicy,casttype=MinorUpgradePolicy"`

	// deletionPolicy is what happens to the volumes when the instance is deleted.
	// +optional
	// +default="Retain"
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty" protobuf:"bytes,12,opt,name=deletionPolicy,casttype=DeletionPolicy"`

	// powerState Stopped scales the servers to zero and keeps the volumes.
	// +optional
	// +default="Running"
	PowerState PowerState `json:"powerState,omitempty" protobuf:"bytes,13,opt,name=powerState,casttype=PowerState"`
}

// Resources are CPU and memory, requested and limited alike.
type Resources struct {
	// cpu of each server.
	// +optional
	// +default="500m"
	// +kubebuilder:validation:XValidation:rule="!isQuantity(string(self)) || quantity(string(self)).isGreaterThan(quantity('0'))",message="must be greater than zero"
	CPU *resource.Quantity `json:"cpu,omitempty" protobuf:"bytes,1,opt,name=cpu"`

	// memory of each server; innodb_buffer_pool_size must fit into it.
	// +optional
	// +default="1Gi"
	// +kubebuilder:validation:XValidation:rule="!isQuantity(string(self)) || quantity(string(self)).isGreaterThan(quantity('0'))",message="must be greater than zero"
	Memory *resource.Quantity `json:"memory,omitempty" protobuf:"bytes,2,opt,name=memory"`
}

// Storage asks for a volume.
type Storage struct {
	// size of the volume, at least 1Gi.
	// ---
	// Not named Size in Go: generated protobuf code has a method of that name.
	// +required
	// +kubebuilder:validation:XValidation:rule="!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity('1Gi')) >= 0",message="must be at least 1Gi"
	VolumeSize resource.Quantity `json:"size" protobuf:"bytes,1,opt,name=size"`

	// storageClassName of the volume; absent means the cluster's default class.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	StorageClassName *string `json:"storageClassName,omitempty" protobuf:"bytes,2,opt,name=storageClassName"`
}

// Credentials name the Secrets with the instance's accounts.
type Credentials struct {
	// rootSecretRef is the key that holds the root password. It must exist.
	// +required
	RootSecretRef SecretKeyReference `json:"rootSecretRef" protobuf:"bytes,1,opt,name=rootSecretRef"`
}

// SecretKeyReference is one key of a Secret in the instance's namespace.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`

	// key in the Secret's data.
	// +optional
	// +default="password"
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$`
	Key string `json:"key,omitempty" protobuf:"bytes,2,opt,name=key"`
}

// Parameter is one MySQL system variable.
type Parameter struct {
	// name of the variable, in lower case with underscores.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9_]*$`
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`

	// value as it is written in an option file, on one line.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[^[:cntrl:]]*$`
	Value string `json:"value" protobuf:"bytes,2,opt,name=value"`
}

// TLSMode is whether clients may or must encrypt.
// +kubebuilder:validation:Enum=Disabled;Preferred;Required
type TLSMode string

// TLS modes.
const (
	TLSDisabled  TLSMode = "Disabled"
	TLSPreferred TLSMode = "Preferred"
	TLSRequired  TLSMode = "Required"
)

// TLS is how clients may or must encrypt.
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Required' || has(self.secretName)",reason=FieldValueRequired,fieldPath=".secretName",message="is required with mode Required"
type TLS struct {
	// mode is Disabled, Preferred or Required.
	// +optional
	// +default="Preferred"
	Mode TLSMode `json:"mode,omitempty" protobuf:"bytes,1,opt,name=mode,casttype=TLSMode"`

	// secretName is a Secret of type kubernetes.io/tls. Required with mode Required;
	// absent, the server presents the certificate it generates for itself.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	SecretName *string `json:"secretName,omitempty" protobuf:"bytes,2,opt,name=secretName"`
}

// ServiceType is how the Service is reached.
// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
type ServiceType string

// Service types, as corev1 names them.
const (
	ServiceClusterIP    ServiceType = "ClusterIP"
	ServiceNodePort     ServiceType = "NodePort"
	ServiceLoadBalancer ServiceType = "LoadBalancer"
)

// Service is how clients reach the instance.
type Service struct {
	// type of the primary's Service.
	// +optional
	// +default="ClusterIP"
	Type ServiceType `json:"type,omitempty" protobuf:"bytes,1,opt,name=type,casttype=ServiceType"`

	// port of the primary's Service.
	// +optional
	// +default=3306
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty" protobuf:"varint,2,opt,name=port"`
}

// Backup is a schedule, a retention and a place.
type Backup struct {
	// schedule in cron syntax, UTC.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Schedule string `json:"schedule" protobuf:"bytes,1,opt,name=schedule"`

	// retentionDays a backup is kept.
	// +optional
	// +default=7
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=365
	RetentionDays *int32 `json:"retentionDays,omitempty" protobuf:"varint,2,opt,name=retentionDays"`

	// storage is the volume that holds the backups.
	// +required
	Storage Storage `json:"storage" protobuf:"bytes,3,opt,name=storage"`
}

// Weekday is a day's English name.
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type Weekday string

// MaintenanceWindow is a weekly time, in UTC.
type MaintenanceWindow struct {
	// day the window opens.
	// +required
	Day Weekday `json:"day" protobuf:"bytes,1,opt,name=day,casttype=Weekday"`

	// startTime is when it opens, HH:MM in 24 hours.
	// +required
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	StartTime string `json:"startTime" protobuf:"bytes,2,opt,name=startTime"`

	// durationMinutes it stays open.
	// +optional
	// +default=60
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=1440
	DurationMinutes *int32 `json:"durationMinutes,omitempty" protobuf:"varint,3,opt,name=durationMinutes"`
}

// MinorUpgradePolicy is who moves the instance to a newer patch of its series.
// +kubebuilder:validation:Enum=Manual;Automatic
type MinorUpgradePolicy string

// Minor upgrade policies.
const (
	MinorUpgradeManual    MinorUpgradePolicy = "Manual"
	MinorUpgradeAutomatic MinorUpgradePolicy = "Automatic"
)

// DeletionPolicy is what happens to the volumes of a deleted instance.
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// Deletion policies.
const (
	DeletionDelete DeletionPolicy = "Delete"
	DeletionRetain DeletionPolicy = "Retain"
)

// PowerState is whether the servers run.
// +kubebuilder:validation:Enum=Running;Stopped
type PowerState string

// Power states.
const (
	PowerRunning PowerState = "Running"
	PowerStopped PowerState = "Stopped"
)

// Condition types of a MySQLInstance. Each carries the generation it was observed at.
const (
	// ConditionReady sums up: every server asked for serves, as asked.
	ConditionReady = "Ready"
	// ConditionAvailable: the primary accepts clients.
	ConditionAvailable = "Available"
	// ConditionProgressing: the controller is still changing the world.
	ConditionProgressing = "Progressing"
	// ConditionStorageResized: every volume has the size asked for.
	ConditionStorageResized = "StorageResized"
	// ConditionConfigurationApplied: every field of the spec is in force.
	ConditionConfigurationApplied = "ConfigurationApplied"
	// ConditionReplicating: every replica follows the primary, and is not far behind it.
	ConditionReplicating = "Replicating"
	// ConditionBackupScheduled: the backup schedule is in force.
	ConditionBackupScheduled = "BackupScheduled"
)

// MySQLInstanceStatus is the instance as the controller last saw it.
type MySQLInstanceStatus struct {
	// conditions of the instance.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,1,rep,name=conditions"`

	// observedGeneration is the generation that this status describes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty" protobuf:"varint,2,opt,name=observedGeneration"`

	// replicas is the number of servers that exist.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas" protobuf:"varint,3,opt,name=replicas"`

	// readyReplicas is the number of servers that serve.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadyReplicas int32 `json:"readyReplicas" protobuf:"varint,4,opt,name=readyReplicas"`

	// selector of the servers' pods, for the scale subresource.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Selector string `json:"selector,omitempty" protobuf:"bytes,5,opt,name=selector"`

	// currentVersion that every server runs.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CurrentVersion string `json:"currentVersion,omitempty" protobuf:"bytes,6,opt,name=currentVersion"`

	// primary is the pod of the writable server.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Primary string `json:"primary,omitempty" protobuf:"bytes,7,opt,name=primary"`

	// endpoint of the writable server.
	// +optional
	Endpoint *Endpoint `json:"endpoint,omitempty" protobuf:"bytes,8,opt,name=endpoint"`

	// storageCapacity is the smallest capacity among the data volumes.
	// +optional
	StorageCapacity *resource.Quantity `json:"storageCapacity,omitempty" protobuf:"bytes,9,opt,name=storageCapacity"`

	// lastBackupTime is when the last good backup ended.
	// +optional
	LastBackupTime *metav1.Time `json:"lastBackupTime,omitempty" protobuf:"bytes,10,opt,name=lastBackupTime"`
}

// Endpoint is an address for clients.
type Endpoint struct {
	// host name or address.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host" protobuf:"bytes,1,opt,name=host"`

	// port number.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port" protobuf:"varint,2,opt,name=port"`
}
