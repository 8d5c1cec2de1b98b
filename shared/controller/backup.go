package controller

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/backup"
	"github.com/duet-api/duet/shared/names"
)

const (
	// backupDeadline is the longest that a backup may take, in seconds: twelve hours. backup.sh takes what it finds of
	// one after a day for what a killed one left.
	backupDeadline = 12 * 60 * 60
	// backupLateness is how late a backup may begin, in seconds, when it could not begin in time: one hour. Without it
	// the CronJob controller gives up for good after a hundred missed times.
	backupLateness = 60 * 60
	// backupRetries of one backup, for what passes: a primary that is being restarted.
	backupRetries = 2
	// backupHistory is how many Jobs are kept, of those that succeeded and of those that failed.
	backupHistory = 3

	backupDirectory  = "/backups"
	scriptsDirectory = "/scripts"
)

// backupLabels are those of everything that makes backups. They differ from the servers' in the name, so that no
// Service, no budget and no scale sees the pods.
func backupLabels(instance *v1.MySQLInstance) map[string]string {
	labels := selectorLabels(instance)
	labels[labelName] = "mysql-backup"
	return labels
}

// backupScripts is the ConfigMap that the backups run from, and a restore by hand.
func backupScripts(instance *v1.MySQLInstance) *corev1ac.ConfigMapApplyConfiguration {
	return corev1ac.ConfigMap(names.Backup(instance.Name), instance.Namespace).
		WithLabels(backupLabels(instance)).
		WithOwnerReferences(ownerReference(instance)).
		WithData(backup.Scripts())
}

// backupClaim is the claim of the volume with the backups. Like the volumes with the data it has no owner: what becomes
// of it is the finalizer's business, and it outlives spec.backup.
func backupClaim(instance *v1.MySQLInstance, live *liveBackupClaim) *corev1ac.PersistentVolumeClaimApplyConfiguration {
	storage := instance.Spec.Backup.Storage
	size, class := storage.VolumeSize, storage.StorageClassName
	if live != nil {
		// Neither changes in a claim that exists, but for a size that may grow. What the spec asks for beyond that is
		// told in the condition ConfigurationApplied.
		class = live.class
		if size.Cmp(live.size) < 0 || !live.grows {
			size = live.size
		}
	}
	claim := corev1ac.PersistentVolumeClaim(names.Backup(instance.Name), instance.Namespace).
		WithLabels(backupLabels(instance)).
		WithSpec(corev1ac.PersistentVolumeClaimSpec().
			WithAccessModes(corev1.ReadWriteOnce).
			WithResources(corev1ac.VolumeResourceRequirements().
				WithRequests(corev1.ResourceList{corev1.ResourceStorage: size})))
	claim.Spec.StorageClassName = class
	return claim
}

// backupCronJob makes the backups. They are taken from the primary: it is the one server that every instance has, and
// the only one whose state nothing can lag behind.
func backupCronJob(instance *v1.MySQLInstance, now rollout) *batchv1ac.CronJobApplyConfiguration {
	return batchv1ac.CronJob(names.Backup(instance.Name), instance.Namespace).
		WithLabels(backupLabels(instance)).
		WithOwnerReferences(ownerReference(instance)).
		WithSpec(batchv1ac.CronJobSpec().
			WithSchedule(instance.Spec.Backup.Schedule).
			WithTimeZone("Etc/UTC").
			// Without servers there is nothing to save.
			WithSuspend(wantedServers(instance) == 0).
			WithConcurrencyPolicy(batchv1.ForbidConcurrent).
			WithStartingDeadlineSeconds(backupLateness).
			WithSuccessfulJobsHistoryLimit(backupHistory).
			WithFailedJobsHistoryLimit(backupHistory).
			WithJobTemplate(batchv1ac.JobTemplateSpec().
				WithLabels(backupLabels(instance)).
				WithSpec(batchv1ac.JobSpec().
					WithBackoffLimit(backupRetries).
					WithActiveDeadlineSeconds(backupDeadline).
					WithTemplate(backupPod(instance, now)))))
}

func backupPod(instance *v1.MySQLInstance, now rollout) *corev1ac.PodTemplateSpecApplyConfiguration {
	name := names.Backup(instance.Name)
	// The pods of backups are none of the controller's business: their Jobs are.
	labels := backupLabels(instance)
	delete(labels, LabelManagedBy)
	container := backupContainer(instance, now)
	volumes := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName("backups").
			WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(name)),
		corev1ac.Volume().WithName("scripts").WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(name)),
		corev1ac.Volume().WithName("tmp").WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
	}
	if secret := now.authority(); secret != "" {
		// The authority, and not the server's key, which is in the same Secret.
		key := corev1ac.KeyToPath().WithKey(corev1.ServiceAccountRootCAKey).WithPath(corev1.ServiceAccountRootCAKey)
		volumes = append(volumes, corev1ac.Volume().WithName("tls").
			WithSecret(corev1ac.SecretVolumeSource().WithSecretName(secret).WithItems(key).WithDefaultMode(0o440)))
		container.
			WithEnv(variable("TLS_CA", tlsDirectory+"/"+corev1.ServiceAccountRootCAKey)).
			WithVolumeMounts(corev1ac.VolumeMount().WithName("tls").WithMountPath(tlsDirectory).WithReadOnly(true))
	}
	return corev1ac.PodTemplateSpec().
		WithLabels(labels).
		WithSpec(corev1ac.PodSpec().
			WithRestartPolicy(corev1.RestartPolicyNever).
			WithAutomountServiceAccountToken(false).
			WithEnableServiceLinks(false).
			// Half of a backup is worth nothing: there is nothing to finish.
			WithTerminationGracePeriodSeconds(5).
			WithSecurityContext(podSecurity()).
			WithContainers(container).
			WithVolumes(volumes...))
}

// backupContainer runs the server's own image: its programs fit its version.
func backupContainer(instance *v1.MySQLInstance, now rollout) *corev1ac.ContainerApplyConfiguration {
	limits := corev1.ResourceList{
		corev1.ResourceCPU:    *instance.Spec.Resources.CPU,
		corev1.ResourceMemory: *instance.Spec.Resources.Memory,
	}
	// A dump is streamed: it waits for the server most of the time. It may take what a server may, for a very long row.
	requests := corev1.ResourceList{
		corev1.ResourceCPU:    least(resource.MustParse("100m"), limits[corev1.ResourceCPU]),
		corev1.ResourceMemory: least(resource.MustParse("256Mi"), limits[corev1.ResourceMemory]),
	}
	return corev1ac.Container().
		WithName("backup").
		WithImage(*now.container().Image).
		WithCommand("bash", scriptsDirectory+"/"+backup.Script).
		WithEnv(
			variable("BACKUPS", backupDirectory),
			variable("RETENTION_DAYS", fmt.Sprint(*instance.Spec.Backup.RetentionDays)),
			variable("DATABASE_HOST", namesOf(instance).primaryService),
			variable("DATABASE_PORT", fmt.Sprint(*instance.Spec.Service.Port)),
			variable("TLS_MODE", string(now.tlsMode())),
			corev1ac.EnvVar().WithName("MYSQL_PWD").WithValueFrom(corev1ac.EnvVarSource().
				WithSecretKeyRef(corev1ac.SecretKeySelector().WithName(accountsName(instance)).WithKey(accountsRootKey))),
		).
		WithResources(corev1ac.ResourceRequirements().WithRequests(requests).WithLimits(limits)).
		WithVolumeMounts(
			corev1ac.VolumeMount().WithName("backups").WithMountPath(backupDirectory),
			corev1ac.VolumeMount().WithName("scripts").WithMountPath(scriptsDirectory).WithReadOnly(true),
			corev1ac.VolumeMount().WithName("tmp").WithMountPath("/tmp"),
		).
		WithSecurityContext(containerSecurity())
}

func variable(name, value string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValue(value)
}

func least(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

// tlsMode is how a client may speak with the servers as they were started, which a change of spec.tls that waits for
// the maintenance window does not change yet.
func (r rollout) tlsMode() v1.TLSMode {
	switch {
	case slices.Contains(r.Settings, setting{"tls_version", ""}):
		return v1.TLSDisabled
	case slices.Contains(r.Settings, setting{"require_secure_transport", "ON"}):
		return v1.TLSRequired
	}
	return v1.TLSPreferred
}

// authority is the Secret with the certificate of the authority that signed the servers'; empty if there is none.
func (r rollout) authority() string {
	if !slices.ContainsFunc(r.Settings, func(s setting) bool { return s.Name == "ssl_ca" }) {
		return ""
	}
	for _, volume := range r.Template.Spec.Volumes {
		if *volume.Name == "tls" {
			return *volume.Secret.SecretName
		}
	}
	return ""
}
