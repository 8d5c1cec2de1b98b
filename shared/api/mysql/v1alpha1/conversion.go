package v1alpha1

import (
	"k8s.io/apimachinery/pkg/conversion"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Convert_v1alpha1_MySQLInstance_To_mysql_MySQLInstance converts whatever v1alpha1 can hold; see the package comment
// for what happens to a value that the hub has no place for. It does not write to in, but out may share memory with it.
func Convert_v1alpha1_MySQLInstance_To_mysql_MySQLInstance(in *MySQLInstance, out *mysql.MySQLInstance,
	s conversion.Scope) error {
	l := readLuggage(in.Annotations[V1FieldsAnnotation])
	converted := v1.MySQLInstance{
		ObjectMeta: in.ObjectMeta,
		Spec:       specToV1(l, &in.Spec),
		Status:     statusToV1(l, &in.Status),
	}
	var err error
	if converted.Annotations, err = l.annotate(in.Annotations, V1alpha1FieldsAnnotation); err != nil {
		return err
	}
	return v1.Convert_v1_MySQLInstance_To_mysql_MySQLInstance(&converted, out, s)
}

// Convert_mysql_MySQLInstance_To_v1alpha1_MySQLInstance converts whatever the hub can hold; see the package comment for
// what happens to a value that v1alpha1 has no place for. It does not write to in, but out may share memory with it.
func Convert_mysql_MySQLInstance_To_v1alpha1_MySQLInstance(in *mysql.MySQLInstance, out *MySQLInstance,
	s conversion.Scope) error {
	// The hub and v1 have one memory layout; v1 is the one whose JSON the annotation holds.
	var stored v1.MySQLInstance
	if err := v1.Convert_mysql_MySQLInstance_To_v1_MySQLInstance(in, &stored, s); err != nil {
		return err
	}
	l := readLuggage(in.Annotations[V1alpha1FieldsAnnotation])
	out.ObjectMeta = in.ObjectMeta
	out.Spec = specFromV1(l, &stored.Spec)
	out.Status = statusFromV1(l, &stored)
	var err error
	out.Annotations, err = l.annotate(in.Annotations, V1FieldsAnnotation)
	return err
}

func specToV1(l *luggage, in *MySQLInstanceSpec) v1.MySQLInstanceSpec {
	out := v1.MySQLInstanceSpec{
		Version:   in.EngineVersion,
		Replicas:  shifted(in.ReadReplicas, 1),
		Resources: toV1(l, resources, in.InstanceClass),
		Storage: v1.Storage{
			VolumeSize:       toV1(l, storageSize, in.StorageGB),
			StorageClassName: toV1(l, storageClass, in.StorageClass),
		},
		Credentials: toV1(l, credentials, in.RootPasswordSecret),
		Parameters:  toV1(l, parameters, in.Config),
		TLS: v1.TLS{
			Mode:       toV1(l, tlsMode, in.SSLMode),
			SecretName: toV1(l, tlsSecret, in.SSLSecret),
		},
		Service:            v1.Service{Type: toV1(l, serviceType, in.PublicAccess), Port: in.Port},
		Backup:             toV1(l, backup, in.BackupSchedule),
		MaintenanceWindow:  toV1(l, maintenanceWindow, in.MaintenanceWindow),
		MinorUpgradePolicy: toV1(l, minorUpgradePolicy, in.AutoMinorVersionUpgrade),
		DeletionPolicy:     toV1(l, deletionPolicy, in.DeletionProtection),
		PowerState:         toV1(l, powerState, in.Paused),
	}
	if out.Backup != nil {
		out.Backup.RetentionDays = in.BackupRetentionDays
		out.Backup.Storage = v1.Storage{
			VolumeSize:       toV1(l, backupSize, in.BackupStorageGB),
			StorageClassName: only[*string](l, backupStorageClass),
		}
		return out
	}
	// v1 has no place for these two without a backup.
	keepAlone(l, backupRetentionField, in.BackupRetentionDays)
	keepAlone(l, backupSize.v1alpha1, in.BackupStorageGB)
	return out
}

func specFromV1(l *luggage, in *v1.MySQLInstanceSpec) MySQLInstanceSpec {
	out := MySQLInstanceSpec{
		EngineVersion:           in.Version,
		ReadReplicas:            shifted(in.Replicas, -1),
		InstanceClass:           fromV1(l, resources, in.Resources),
		StorageGB:               fromV1(l, storageSize, in.Storage.VolumeSize),
		StorageClass:            fromV1(l, storageClass, in.Storage.StorageClassName),
		RootPasswordSecret:      fromV1(l, credentials, in.Credentials),
		Config:                  fromV1(l, parameters, in.Parameters),
		SSLMode:                 fromV1(l, tlsMode, in.TLS.Mode),
		SSLSecret:               fromV1(l, tlsSecret, in.TLS.SecretName),
		PublicAccess:            fromV1(l, serviceType, in.Service.Type),
		Port:                    in.Service.Port,
		BackupSchedule:          fromV1(l, backup, in.Backup),
		MaintenanceWindow:       fromV1(l, maintenanceWindow, in.MaintenanceWindow),
		AutoMinorVersionUpgrade: fromV1(l, minorUpgradePolicy, in.MinorUpgradePolicy),
		DeletionProtection:      fromV1(l, deletionPolicy, in.DeletionPolicy),
		Paused:                  fromV1(l, powerState, in.PowerState),
	}
	if in.Backup != nil {
		out.BackupRetentionDays = in.Backup.RetentionDays
		out.BackupStorageGB = fromV1(l, backupSize, in.Backup.Storage.VolumeSize)
		keepOnly(l, backupStorageClass, in.Backup.Storage.StorageClassName)
		return out
	}
	out.BackupRetentionDays, _ = take[*int32](l, backupRetentionField)
	out.BackupStorageGB, _ = take[*int32](l, backupSize.v1alpha1)
	return out
}

// shifted adds without a check: int32 wraps, so the shift back gives the same number even for values that validation
// is going to refuse.
func shifted(n *int32, by int32) *int32 {
	if n == nil {
		return nil
	}
	sum := *n + by
	return &sum
}
