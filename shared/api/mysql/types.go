package mysql

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// MySQLInstance is a MySQL server with its replicas, volumes, account and backups.
type MySQLInstance struct {
	metav1.TypeMeta
	// metadata is the standard object metadata.
	metav1.ObjectMeta

	// spec is the instance as its owner wants it.
	Spec MySQLInstanceSpec

	// status is the instance as the controller last saw it.
	Status MySQLInstanceStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// MySQLInstanceList is a list of MySQLInstance.
type MySQLInstanceList struct {
	metav1.TypeMeta
	// metadata is the standard list metadata.
	metav1.ListMeta

	// items are the instances.
	Items []MySQLInstance
}

// MySQLInstanceSpec is what the owner of an instance asks for.
type MySQLInstanceSpec struct {
	// version is the MySQL version, X.Y.Z, of a supported release series (8.0, 8.4, 9.x).
	// It only rises, by one release series at a time.
	Version string

	// replicas is the number of servers. Ordinal 0 is the writable primary, the others follow it.
	Replicas *int32

	// resources are given to each server.
	Resources Resources

	// storage is the data volume of each server.
	Storage Storage

	// credentials name the root account's password. Without them the controller makes
	// a Secret named <instance>-root.
	Credentials *Credentials

	// parameters are MySQL system variables for the option file.
	Parameters []Parameter

	// tls is how clients may or must encrypt.
	TLS TLS

	// service is how clients reach the instance.
	Service Service

	// backup, if set, runs regular backups.
	Backup *Backup

	// maintenanceWindow, if set, is the only time for disruptive changes.
	MaintenanceWindow *MaintenanceWindow

	// minorUpgradePolicy is who moves the instance to a newer patch of its series.
	MinorUpgradePolicy MinorUpgradePolicy

	// deletionPolicy is what happens to the volumes when the instance is deleted.
	DeletionPolicy DeletionPolicy

	// powerState Stopped scales the servers to zero and keeps the volumes.
	PowerState PowerState
}

// Resources are CPU and memory, requested and limited alike.
type Resources struct {
	// cpu of each server.
	CPU *resource.Quantity

	// memory of each server; innodb_buffer_pool_size must fit into it.
	Memory *resource.Quantity
}

// Storage asks for a volume.
type Storage struct {
	// size of the volume, at least 1Gi.
	VolumeSize resource.Quantity

	// storageClassName of the volume; absent means the cluster's default class.
	StorageClassName *string
}

// Credentials name the Secrets with the instance's accounts.
type Credentials struct {
	// rootSecretRef is the key that holds the root password. It must exist.
	RootSecretRef SecretKeyReference
}

// SecretKeyReference is one key of a Secret in the instance's namespace.
type SecretKeyReference struct {
	// name of the Secret.
	Name string

	// key in the Secret's data.
	Key string
}

// Parameter is one MySQL system variable.
type Parameter struct {
	// name of the variable, in lower case with underscores.
	Name string

	// value as it is written in an option file, on one line.
	Value string
}

// TLSMode is whether clients may or must encrypt.
type TLSMode string

// TLS modes.
const (
	TLSDisabled  TLSMode = "Disabled"
	TLSPreferred TLSMode = "Preferred"
	TLSRequired  TLSMode = "Required"
)

// TLS is how clients may or must encrypt.
type TLS struct {
	// mode is Disabled, Preferred or Required.
	Mode TLSMode

	// secretName is a Secret of type kubernetes.io/tls. Required with mode Required;
	// absent, the server presents the certificate it generates for itself.
	SecretName *string
}

// ServiceType is how the Service is reached.
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
	Type ServiceType

	// port of the primary's Service.
	Port *int32
}

// Backup is a schedule, a retention and a place.
type Backup struct {
	// schedule in cron syntax, UTC.
	Schedule string

	// retentionDays a backup is kept.
	RetentionDays *int32

	// storage is the volume that holds the backups.
	Storage Storage
}

// Weekday is a day's English name.
type Weekday string

// MaintenanceWindow is a weekly time, in UTC.
type MaintenanceWindow struct {
	// day the window opens.
	Day Weekday

	// startTime is when it opens, HH:MM in 24 hours.
	StartTime string

	// durationMinutes it stays open.
	DurationMinutes *int32
}

// MinorUpgradePolicy is who moves the instance to a newer patch of its series.
type MinorUpgradePolicy string

// Minor upgrade policies.
const (
	MinorUpgradeManual    MinorUpgradePolicy = "Manual"
	MinorUpgradeAutomatic MinorUpgradePolicy = "Automatic"
)

// DeletionPolicy is what happens to the volumes of a deleted instance.
type DeletionPolicy string

// Deletion policies.
const (
	DeletionDelete DeletionPolicy = "Delete"
	DeletionRetain DeletionPolicy = "Retain"
)

// PowerState is whether the servers run.
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
	Conditions []metav1.Condition

	// observedGeneration is the generation that this status describes.
	ObservedGeneration int64

	// replicas is the number of servers that exist.
	Replicas int32

	// readyReplicas is the number of servers that serve.
	ReadyReplicas int32

	// selector of the servers' pods, for the scale subresource.
	Selector string

	// currentVersion that every server runs.
	CurrentVersion string

	// primary is the pod of the writable server.
	Primary string

	// endpoint of the writable server.
	Endpoint *Endpoint

	// storageCapacity is the smallest capacity among the data volumes.
	StorageCapacity *resource.Quantity

	// lastBackupTime is when the last good backup ended.
	LastBackupTime *metav1.Time
}

// Endpoint is an address for clients.
type Endpoint struct {
	// host name or address.
	Host string

	// port number.
	Port int32
}
