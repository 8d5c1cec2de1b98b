package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:deprecatedversion:warning="mysql.example.com/v1alpha1 MySQLInstance is deprecated; use mysql.example.com/v1 MySQLInstance"
// +kubebuilder:resource:path=mysqlinstances,scope=Namespaced,shortName=mysql,categories=all;databases
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.engineVersion`
// +kubebuilder:selectablefield:JSONPath=`.spec.paused`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.engineVersion`,description="MySQL version asked for."
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`,description="The instance's state in one word."
// +kubebuilder:printcolumn:name="Read Replicas",type=integer,JSONPath=`.spec.readReplicas`,description="Servers asked for, the primary not included."
// +kubebuilder:printcolumn:name="Storage GB",type=integer,JSONPath=`.spec.storageGB`,description="Volume size asked for, per server."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Address",type=string,priority=1,JSONPath=`.status.address`,description="Address of the writable primary."

// MySQLInstance is a MySQL server with its replicas, volumes, account and backups.
//
// +k8s:conversion-gen=false
type MySQLInstance struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the instance as its owner wants it.
	// +required
	Spec MySQLInstanceSpec `json:"spec"`

	// status is the instance as the controller last saw it.
	// +optional
	Status MySQLInstanceStatus `json:"status,omitempty,omitzero"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// MySQLInstanceList is a list of MySQLInstance.
type MySQLInstanceList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the instances.
	Items []MySQLInstance `json:"items"`
}

// InstanceClass names a size from a fixed table.
// +kubebuilder:validation:Enum=small;medium;large;custom
type InstanceClass string

// Instance classes. The sizes behind them are in conversion.go.
const (
	ClassSmall  InstanceClass = "small"
	ClassMedium InstanceClass = "medium"
	ClassLarge  InstanceClass = "large"
	// ClassCustom stands for resources that v1 gave and this version has no name for.
	ClassCustom InstanceClass = "custom"
)

// SSLMode is whether clients may or must encrypt.
// +kubebuilder:validation:Enum=DISABLED;PREFERRED;REQUIRED
type SSLMode string

// SSL modes.
const (
	SSLDisabled  SSLMode = "DISABLED"
	SSLPreferred SSLMode = "PREFERRED"
	SSLRequired  SSLMode = "REQUIRED"
)

// MySQLInstanceSpec is what the owner of an instance asks for.
//
// +k8s:conversion-gen=false
// +kubebuilder:validation:XValidation:rule=`(has(self.storageClass) ? self.storageClass : "") == (has(oldSelf.storageClass) ? oldSelf.storageClass : "")`,fieldPath=".storageClass",message="is set at creation or never"
// +kubebuilder:validation:XValidation:rule="!has(self.sslMode) || self.sslMode != 'REQUIRED' || (has(self.sslSecret) && size(self.sslSecret) > 0)",reason=FieldValueRequired,fieldPath=".sslSecret",message="is required with sslMode REQUIRED"
type MySQLInstanceSpec struct {
	// engineVersion is the MySQL version, X.Y.Z, of a supported release series (8.0, 8.4, 9.x).
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^(8\.0|8\.4|9\.[0-6])\.(0|[1-9][0-9]?)$`
	// +kubebuilder:validation:XValidation:rule="!isSemver(self) || !isSemver(oldSelf) || semver(self).compareTo(semver(oldSelf)) >= 0",message="may not fall"
	EngineVersion string `json:"engineVersion"`

	// readReplicas is the number of servers beside the primary.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=8
	ReadReplicas *int32 `json:"readReplicas,omitempty"`

	// instanceClass is the size of each server.
	// +optional
	// +default="small"
	InstanceClass InstanceClass `json:"instanceClass,omitempty"`

	// storageGB is the size of each server's data volume, in GiB.
	// ---
	// The maximum is the format's own: a schema names the field only for the former.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	// +kubebuilder:validation:XValidation:rule="self >= oldSelf",message="may only grow"
	StorageGB int32 `json:"storageGB"`

	// storageClass of the volumes; empty means the cluster's default class.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$`
	StorageClass string `json:"storageClass,omitempty"`

	// rootPasswordSecret is "name/key" of the Secret with the root password.
	// +optional
	// +kubebuilder:validation:MaxLength=507
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*)?$`
	RootPasswordSecret string `json:"rootPasswordSecret,omitempty"`

	// config holds MySQL system variables for the option file.
	// +optional
	// +kubebuilder:validation:MaxProperties=128
	Config map[string]string `json:"config,omitempty"`

	// sslMode is DISABLED, PREFERRED or REQUIRED.
	// +optional
	// +default="PREFERRED"
	SSLMode SSLMode `json:"sslMode,omitempty"`

	// sslSecret is a Secret of type kubernetes.io/tls.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$`
	SSLSecret string `json:"sslSecret,omitempty"`

	// publicAccess gives the instance a load balancer.
	// +optional
	PublicAccess bool `json:"publicAccess,omitempty"`

	// port for clients.
	// +optional
	// +default=3306
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`

	// backupSchedule in cron syntax, UTC; empty means no backups.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	BackupSchedule string `json:"backupSchedule,omitempty"`

	// backupRetentionDays a backup is kept; 7 with a schedule that leaves it out.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=365
	BackupRetentionDays *int32 `json:"backupRetentionDays,omitempty"`

	// backupStorageGB is the size of the backup volume, in GiB; needed with a schedule.
	// ---
	// The maximum is the format's own: a schema names the field only for the former.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	BackupStorageGB *int32 `json:"backupStorageGB,omitempty"`

	// maintenanceWindow is "Sun:03:00-Sun:04:00", in UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=19
	// +kubebuilder:validation:Pattern=`^((Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01][0-9]|2[0-3]):[0-5][0-9]-(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01][0-9]|2[0-3]):[0-5][0-9])?$`
	MaintenanceWindow string `json:"maintenanceWindow,omitempty"`

	// autoMinorVersionUpgrade lets the controller take new patches of the series.
	// +optional
	AutoMinorVersionUpgrade bool `json:"autoMinorVersionUpgrade,omitempty"`

	// deletionProtection keeps the volumes when the instance is deleted.
	// +optional
	// +default=true
	DeletionProtection *bool `json:"deletionProtection,omitempty"`

	// paused scales the servers to zero and keeps the volumes.
	// +optional
	// +default=false
	Paused bool `json:"paused"`
}

// Phase is the state in one word.
type Phase string

// Phases, computed from the v1 conditions.
const (
	PhasePending  Phase = "Pending"
	PhaseUpdating Phase = "Updating"
	PhaseRunning  Phase = "Running"
	PhaseStopped  Phase = "Stopped"
	PhaseFailed   Phase = "Failed"
)

// MySQLInstanceStatus is the instance as the controller last saw it. phase and message are computed from what v1 has;
// written here, they change nothing.
//
// +k8s:conversion-gen=false
type MySQLInstanceStatus struct {
	// observedGeneration is the generation that this status describes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// phase is the state in one word.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Phase Phase `json:"phase,omitempty"`

	// message says why the phase is what it is.
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Message string `json:"message,omitempty"`

	// address is "host:port" of the writable server.
	// +optional
	// +kubebuilder:validation:MaxLength=260
	Address string `json:"address,omitempty"`

	// replicas is the number of servers that exist, the primary included.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas"`

	// readyReplicas is the number of servers that serve, the primary included.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadyReplicas int32 `json:"readyReplicas"`

	// currentVersion that every server runs.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CurrentVersion string `json:"currentVersion,omitempty"`
}
