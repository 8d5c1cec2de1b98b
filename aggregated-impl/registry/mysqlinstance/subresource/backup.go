package subresource

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	kubernetesnames "k8s.io/apiserver/pkg/storage/names"
	batchclient "k8s.io/client-go/kubernetes/typed/batch/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/backup"
	"github.com/duet-api/duet/shared/names"
)

// Backup is the backup subresource: POST starts a backup now and answers with the run.
type Backup struct {
	instances
	batch batchclient.BatchV1Interface
}

var (
	_ rest.Storage                        = &Backup{}
	_ rest.NamedCreater                   = &Backup{}
	_ rest.SubresourceObjectMetaPreserver = &Backup{}
)

// NewBackup returns the subresource of the instances in a store. The client reads CronJobs and creates Jobs.
func NewBackup(store rest.Getter, batch batchclient.BatchV1Interface) *Backup {
	return &Backup{instances: instances{store}, batch: batch}
}

// New returns an empty request.
func (*Backup) New() runtime.Object { return &v1.MySQLInstanceBackup{} }

// Destroy does nothing: the main resource owns the storage.
func (*Backup) Destroy() {}

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate keeps the UID in the request, which is a precondition.
func (*Backup) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// Create starts the backup.
func (r *Backup) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc,
	options *metav1.CreateOptions) (runtime.Object, error) {
	request := obj.(*v1.MySQLInstanceBackup)
	if err := checkName(v1.SchemeGroupVersion.WithKind("MySQLInstanceBackup").GroupKind(),
		&request.ObjectMeta, name); err != nil {
		return nil, err
	}
	if err := validate(ctx, request.DeepCopyObject()); err != nil {
		return nil, err
	}
	instance, err := r.get(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := checkMeant(&request.ObjectMeta, &instance.ObjectMeta); err != nil {
		return nil, err
	}
	if err := checkRunning(&instance.ObjectMeta, instance.Spec.PowerState == v1.PowerStopped); err != nil {
		return nil, err
	}
	cronJob, err := r.cronJob(ctx, instance)
	if err != nil {
		return nil, err
	}
	job := backup.Job(cronJob, kubernetesnames.SimpleNameGenerator.GenerateName(cronJob.Name+"-"))
	started, err := r.batch.Jobs(job.Namespace).Create(ctx, job, metav1.CreateOptions{DryRun: options.DryRun})
	if err != nil {
		return nil, relayed("create the Job of the backup", err)
	}
	return &v1.MySQLInstanceBackup{
		ObjectMeta: identity(&instance.ObjectMeta),
		Status:     v1.MySQLInstanceBackupStatus{JobName: started.Name, StartTime: &started.CreationTimestamp},
	}, nil
}

// cronJob is what the controller has made of spec.backup. It knows how to make a backup; this server does not.
func (r *Backup) cronJob(ctx context.Context, instance *v1.MySQLInstance) (*batchv1.CronJob, error) {
	if instance.Spec.Backup == nil {
		return nil, conflict(instance.Name, "the instance has no place for backups: set spec.backup first")
	}
	name := names.Backup(instance.Name)
	cronJob, err := r.batch.CronJobs(instance.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, conflict(instance.Name,
			"the controller has not made the CronJob %s yet: see the condition %s", name, v1.ConditionBackupScheduled)
	case err != nil:
		return nil, relayed(fmt.Sprintf("read the CronJob %s", name), err)
	case !metav1.IsControlledBy(cronJob, instance):
		return nil, conflict(instance.Name, "the CronJob %s is not the instance's", name)
	}
	return cronJob, nil
}
