package arm

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	mysqlv1alpha1 "github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// datedParameter is the one that carries the revision.
const datedParameter = "wait_timeout"

// dated is the instance of the same number as somebody writes it who knows v1alpha1 alone, with about as much in it. It is
// not the instance converted: that one would carry along what the old version cannot say.
func dated(seed uint64, i int) specimen {
	source := instance(seed, i)
	config := map[string]string{}
	for _, parameter := range source.Spec.Parameters {
		config[parameter.Name] = parameter.Value
	}
	object := &mysqlv1alpha1.MySQLInstance{
		TypeMeta:   metav1.TypeMeta{APIVersion: mysqlv1alpha1.SchemeGroupVersion.String(), Kind: source.Kind},
		ObjectMeta: source.ObjectMeta,
		Spec: mysqlv1alpha1.MySQLInstanceSpec{
			EngineVersion:       source.Spec.Version,
			ReadReplicas:        ptr.To(*source.Spec.Replicas - 1),
			InstanceClass:       mysqlv1alpha1.ClassLarge,
			StorageGB:           int32(10 + i),
			Config:              config,
			SSLMode:             mysqlv1alpha1.SSLPreferred,
			Port:                source.Spec.Service.Port,
			BackupSchedule:      source.Spec.Backup.Schedule,
			BackupRetentionDays: source.Spec.Backup.RetentionDays,
			BackupStorageGB:     ptr.To(int32(100 + i)),
			MaintenanceWindow:   "Sun:02:00-Sun:04:00",
			DeletionProtection:  ptr.To(false),
		},
	}
	return specimen{object: object, meta: &object.ObjectMeta, setRevision: func(into runtime.Object, revision string) {
		into.(*mysqlv1alpha1.MySQLInstance).Spec.Config[datedParameter] = revision
	}}
}
