package controller

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// statefulSet runs the servers. Its update replaces one pod at a time from the highest ordinal down, each once the one
// before is ready, which is what the API promises: the replicas before the primary.
func statefulSet(instance *v1.MySQLInstance, f facts, now rollout) *appsv1ac.StatefulSetApplyConfiguration {
	return appsv1ac.StatefulSet(namesOf(instance).statefulSet, instance.Namespace).
		WithLabels(selectorLabels(instance)).
		WithAnnotations(map[string]string{annotationRollout: now.hash()}).
		WithOwnerReferences(ownerReference(instance)).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithReplicas(wantedServers(instance)).
			WithServiceName(namesOf(instance).headlessService).
			// Ordered start would keep a broken server from being repaired by an update (kubernetes#67250).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().WithType(appsv1.RollingUpdateStatefulSetStrategyType)).
			// Stopping and scaling down keep the volumes; a deletion is the finalizer's work.
			WithPersistentVolumeClaimRetentionPolicy(appsv1ac.StatefulSetPersistentVolumeClaimRetentionPolicy().
				WithWhenDeleted(appsv1.RetainPersistentVolumeClaimRetentionPolicyType).
				WithWhenScaled(appsv1.RetainPersistentVolumeClaimRetentionPolicyType)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selectorLabels(instance))).
			WithTemplate(now.Template).
			WithVolumeClaimTemplates(claimTemplates(instance, f)...))
}

// wantedServers is the number of servers that run: none while the instance is stopped.
func wantedServers(instance *v1.MySQLInstance) int32 {
	if instance.Spec.PowerState == v1.PowerStopped {
		return 0
	}
	return *instance.Spec.Replicas
}

// claimTemplates cannot change once the StatefulSet exists; those that it has are then repeated as they are, defaults
// included. What the spec asks for beyond them is the business of the condition StorageResized.
func claimTemplates(instance *v1.MySQLInstance, f facts) []*corev1ac.PersistentVolumeClaimApplyConfiguration {
	if len(f.claimTemplates) > 0 {
		return f.claimTemplates
	}
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(corev1ac.VolumeResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceStorage: instance.Spec.Storage.VolumeSize}))
	spec.StorageClassName = instance.Spec.Storage.StorageClassName
	claim := &corev1ac.PersistentVolumeClaimApplyConfiguration{Spec: spec}
	claim.WithName(dataVolume).
		WithLabels(selectorLabels(instance)).
		WithAnnotations(map[string]string{annotationRootSecret: f.rootSecretIdentity})
	return []*corev1ac.PersistentVolumeClaimApplyConfiguration{claim}
}

// podTemplate is what a change of restarts the servers. Everything that may change in it waits for the maintenance
// window.
func podTemplate(
	instance *v1.MySQLInstance, f facts, version, image string, settings []setting, restartedAt string,
) *corev1ac.PodTemplateSpecApplyConfiguration {
	labels := selectorLabels(instance)
	labels[labelVersion] = version
	annotations := map[string]string{annotationConfigurationHash: shortHash(optionFileOf(settings))}
	if restartedAt != "" {
		annotations[v1.AnnotationRestartedAt] = restartedAt
	}
	if f.certificate.hash != "" {
		annotations[annotationCertificateHash] = f.certificate.hash
	}
	return corev1ac.PodTemplateSpec().
		WithLabels(labels).
		WithAnnotations(annotations).
		WithSpec(corev1ac.PodSpec().
			WithAutomountServiceAccountToken(false).
			WithEnableServiceLinks(false).
			// Time for InnoDB to write its pages out; a kill would cost a recovery at the next start.
			WithTerminationGracePeriodSeconds(120).
			WithSecurityContext(podSecurity()).
			WithTopologySpreadConstraints(corev1ac.TopologySpreadConstraint().
				WithTopologyKey(corev1.LabelHostname).
				WithWhenUnsatisfiable(corev1.ScheduleAnyway).
				WithMaxSkew(1).
				WithLabelSelector(metav1ac.LabelSelector().WithMatchLabels(selectorLabels(instance)))).
			WithContainers(container(instance, image)).
			WithVolumes(volumes(instance)...))
}

const containerName = names.ServerContainer

func container(instance *v1.MySQLInstance, image string) *corev1ac.ContainerApplyConfiguration {
	given := corev1.ResourceList{
		corev1.ResourceCPU:    *instance.Spec.Resources.CPU,
		corev1.ResourceMemory: *instance.Spec.Resources.Memory,
	}
	mounts := []*corev1ac.VolumeMountApplyConfiguration{
		corev1ac.VolumeMount().WithName(dataVolume).WithMountPath("/var/lib/mysql"),
		corev1ac.VolumeMount().WithName("configuration").WithMountPath(optionDirectory).WithReadOnly(true),
		corev1ac.VolumeMount().WithName("run").WithMountPath("/var/run/mysqld"),
		corev1ac.VolumeMount().WithName("tmp").WithMountPath("/tmp"),
	}
	if servesCertificate(instance) {
		mounts = append(mounts, corev1ac.VolumeMount().WithName("tls").WithMountPath(tlsDirectory).WithReadOnly(true))
	}
	return corev1ac.Container().
		WithName(containerName).
		WithImage(image).
		// What differs from server to server cannot be in the option file, which they share.
		WithArgs(
			"--server-id=10$(POD_INDEX)",
			"--report-host=$(POD_NAME)."+namesOf(instance).headlessService,
		).
		WithEnv(
			fieldVariable("POD_NAME", "metadata.name"),
			fieldVariable("POD_INDEX", "metadata.labels['"+labelPodIndex+"']"),
			corev1ac.EnvVar().WithName("MYSQL_ROOT_PASSWORD").WithValueFrom(corev1ac.EnvVarSource().
				WithSecretKeyRef(corev1ac.SecretKeySelector().WithName(accountsName(instance)).WithKey(accountsRootKey))),
		).
		WithPorts(corev1ac.ContainerPort().
			WithName(mysqlPortName).WithProtocol(corev1.ProtocolTCP).WithContainerPort(mysqlPort)).
		WithResources(corev1ac.ResourceRequirements().WithRequests(given).WithLimits(given)).
		WithVolumeMounts(mounts...).
		WithSecurityContext(containerSecurity()).
		// Making the data or recovering it may take long, and a restart would begin it again: one hour.
		WithStartupProbe(ping().WithPeriodSeconds(5).WithFailureThreshold(720)).
		WithReadinessProbe(ping().WithPeriodSeconds(5).WithFailureThreshold(3)).
		WithLivenessProbe(ping().WithPeriodSeconds(10).WithFailureThreshold(6))
}

// ping asks over TCP, which the server that makes the data does not listen on. It needs no password: a server that
// refuses the client is alive. A bare TCP probe would not do, since MySQL blocks hosts that only connect.
func ping() *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithExec(corev1ac.ExecAction().
			WithCommand("mysqladmin", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--connect-timeout=4", "ping")).
		WithTimeoutSeconds(5)
}

func fieldVariable(name, path string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValueFrom(corev1ac.EnvVarSource().
		WithFieldRef(corev1ac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath(path)))
}

// servesCertificate says whether the servers present the certificate of the spec's Secret.
func servesCertificate(instance *v1.MySQLInstance) bool {
	return instance.Spec.TLS.SecretName != nil && instance.Spec.TLS.Mode != v1.TLSDisabled
}

func volumes(instance *v1.MySQLInstance) []*corev1ac.VolumeApplyConfiguration {
	volumes := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName("configuration").
			WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(namesOf(instance).configMap)),
		corev1ac.Volume().WithName("run").WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
		corev1ac.Volume().WithName("tmp").WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
	}
	if servesCertificate(instance) {
		volumes = append(volumes, corev1ac.Volume().WithName("tls").
			WithSecret(corev1ac.SecretVolumeSource().WithSecretName(*instance.Spec.TLS.SecretName).WithDefaultMode(0o440)))
	}
	return volumes
}
