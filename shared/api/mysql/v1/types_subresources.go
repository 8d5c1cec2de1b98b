package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The kinds in this file travel through subresources of MySQLInstance that only the aggregated form serves: a
// CustomResourceDefinition has status and scale, and no way to run code on a read or to start something. None of them is
// ever stored. They are single-version kinds, like autoscaling/v1 Scale: they have no hub, and v1alpha1 does not serve
// them.

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// MySQLInstanceMetrics is what the servers of an instance say of themselves at the moment of the request. It is the
// answer of GET mysqlinstances/<name>/metrics.
type MySQLInstanceMetrics struct {
	metav1.TypeMeta `json:",inline"`
	// metadata names the instance.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// timestamp is when the servers were asked.
	Timestamp metav1.Time `json:"timestamp" protobuf:"bytes,2,opt,name=timestamp"`

	// servers that should run, by ordinal. A stopped instance has none.
	// +listType=map
	// +listMapKey=name
	Servers []ServerMetrics `json:"servers" protobuf:"bytes,3,rep,name=servers"`
}

// ServerRole is what a server is for.
type ServerRole string

// Roles of servers.
const (
	// ServerPrimary takes writes.
	ServerPrimary ServerRole = "Primary"
	// ServerReplica follows the primary.
	ServerReplica ServerRole = "Replica"
)

// ServerMetrics is one server. What a server that was not reached would have said is absent.
type ServerMetrics struct {
	// name of the server's pod.
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`

	// ordinal of the server.
	Ordinal int32 `json:"ordinal" protobuf:"varint,2,opt,name=ordinal"`

	// role that the ordinal gives the server: 0 is the primary.
	Role ServerRole `json:"role" protobuf:"bytes,3,opt,name=role,casttype=ServerRole"`

	// reachable is whether the server answered.
	Reachable bool `json:"reachable" protobuf:"varint,4,opt,name=reachable"`

	// error is why there is no answer, or no whole one.
	// +optional
	Error string `json:"error,omitempty" protobuf:"bytes,5,opt,name=error"`

	// uptimeSeconds since the server started.
	// +optional
	UptimeSeconds *int64 `json:"uptimeSeconds,omitempty" protobuf:"varint,6,opt,name=uptimeSeconds"`

	// connections that are open now (Threads_connected).
	// +optional
	Connections *int64 `json:"connections,omitempty" protobuf:"varint,7,opt,name=connections"`

	// queries since the server started, those of stored programs included (Queries).
	// +optional
	Queries *int64 `json:"queries,omitempty" protobuf:"varint,8,opt,name=queries"`

	// replicationLagSeconds is how far a replica is behind the primary; absent on the primary, and on a replica that
	// does not replicate.
	// +optional
	ReplicationLagSeconds *int64 `json:"replicationLagSeconds,omitempty" protobuf:"varint,9,opt,name=replicationLagSeconds"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// MySQLInstanceBackup asks for a backup now, whatever the schedule says: POST it to mysqlinstances/<name>/backup. The
// answer is the same object with the run that was started in its status.
type MySQLInstanceBackup struct {
	metav1.TypeMeta `json:",inline"`
	// metadata may name the instance, and give the UID that it must have.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// status is the run. What a request says here is ignored.
	// +optional
	Status MySQLInstanceBackupStatus `json:"status,omitempty,omitzero" protobuf:"bytes,2,opt,name=status"`
}

// MySQLInstanceBackupStatus is the run that a request for a backup started.
type MySQLInstanceBackupStatus struct {
	// jobName is the Job, in the namespace of the instance. Its conditions tell how the backup ends.
	// +optional
	JobName string `json:"jobName,omitempty" protobuf:"bytes,1,opt,name=jobName"`

	// startTime is when the Job was created.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty" protobuf:"bytes,2,opt,name=startTime"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// MySQLInstanceRestart asks for a rolling restart of the servers: POST it to mysqlinstances/<name>/restart. The answer
// is the same object with the request that was recorded in its status.
type MySQLInstanceRestart struct {
	metav1.TypeMeta `json:",inline"`
	// metadata may name the instance, and give the UID and the resourceVersion that it must have: the restart is then
	// refused with a conflict if the instance is another one, or has changed since.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// status is the request as it was recorded. What a request says here is ignored.
	// +optional
	Status MySQLInstanceRestartStatus `json:"status,omitempty,omitzero" protobuf:"bytes,2,opt,name=status"`
}

// MySQLInstanceRestartStatus is a request for a restart that was recorded.
type MySQLInstanceRestartStatus struct {
	// requestedAt is the value that the annotation mysql.example.com/restarted-at of the instance has now.
	// +optional
	RequestedAt *metav1.MicroTime `json:"requestedAt,omitempty" protobuf:"bytes,1,opt,name=requestedAt"`
}

// +k8s:conversion-gen:explicit-from=net/url.Values
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// MySQLInstanceLogOptions are the query parameters of GET mysqlinstances/<name>/log, the log of one server.
type MySQLInstanceLogOptions struct {
	metav1.TypeMeta `json:",inline"`

	// server is the ordinal of the server; 0, the primary, if it is not given.
	// +optional
	Server int64 `json:"server,omitempty" protobuf:"varint,1,opt,name=server"`

	// follow keeps the answer open and sends each line as it is written.
	// +optional
	Follow bool `json:"follow,omitempty" protobuf:"varint,2,opt,name=follow"`

	// previous is the log of the server's run before the last restart of its container.
	// +optional
	Previous bool `json:"previous,omitempty" protobuf:"varint,3,opt,name=previous"`

	// timestamps puts the time that a line was written before it, in RFC 3339.
	// +optional
	Timestamps bool `json:"timestamps,omitempty" protobuf:"varint,4,opt,name=timestamps"`

	// tailLines is how many lines from the end to begin with; absent is all of them.
	// +optional
	TailLines *int64 `json:"tailLines,omitempty" protobuf:"varint,5,opt,name=tailLines"`
}
