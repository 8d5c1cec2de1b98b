package backup

import (
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Job is a backup now: what `kubectl create job --from=cronjob/...` makes of a CronJob. The CronJob owns it, so the
// history limits count it, and the controller sees its end like that of any other backup. The CronJob stays as it is.
//
// The owner reference does not block the owner's deletion, as kubectl's does not: blocking needs the right to update
// cronjobs/finalizers, which whoever starts a backup need not have.
func Job(cronJob *batchv1.CronJob, name string) *batchv1.Job {
	template := cronJob.Spec.JobTemplate.DeepCopy()
	annotations := map[string]string{AnnotationInstantiate: instantiateManual}
	maps.Copy(annotations, template.Annotations)
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Namespace:   cronJob.Namespace,
			Labels:      template.Labels,
			Annotations: annotations,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: batchv1.SchemeGroupVersion.String(),
				Kind:       "CronJob",
				Name:       cronJob.Name,
				UID:        cronJob.UID,
				Controller: new(true),
			}},
		},
		Spec: template.Spec,
	}
}
