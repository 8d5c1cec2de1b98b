package controller

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/backup"
	"github.com/duet-api/duet/shared/database"
)

// withBackup asks for backups at night.
func withBackup(instance *v1.MySQLInstance) {
	instance.Spec.Backup = &v1.Backup{
		Schedule:      "0 3 * * *",
		RetentionDays: new(int32(14)),
		Storage:       v1.Storage{VolumeSize: resource.MustParse("20Gi"), StorageClassName: new("slow")},
	}
}

// newBackupClaim is one as the controller made it, and the cluster completed it.
func newBackupClaim(size string, phase corev1.PersistentVolumeClaimPhase) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "db-backup", Namespace: "shop", Labels: backupLabels(newInstance())},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: new("slow"),
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)},
			},
		},
		Status: corev1.PersistentVolumeClaimStatus{Phase: phase},
	}
}

func newBackupCronJob() *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{
		Name: "db-backup", Namespace: "shop", UID: "cron-uid", Labels: backupLabels(newInstance()),
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(
			newInstance(), v1.SchemeGroupVersion.WithKind("MySQLInstance"))},
	}}
}

// backupChildren are what an instance had that asked for backups once.
func backupChildren() []client.Object {
	return []client.Object{newBackupCronJob(), newBackupClaim("20Gi", corev1.ClaimBound)}
}

func TestBackupScripts(t *testing.T) {
	if diff := cmp.Diff(backup.Scripts(), backupScripts(newInstance(withBackup)).Data); diff != "" {
		t.Errorf("scripts (-want +got):\n%s", diff)
	}
}

// TestAccountsOfTheControllerAreNotSaved: restored with an old password, they would lock it out.
func TestAccountsOfTheControllerAreNotSaved(t *testing.T) {
	for _, account := range []string{database.RootUser, replicationUser} {
		if !strings.Contains(backup.Scripts()[backup.Script], "'"+account+"'") {
			t.Errorf("%s does not leave %s out", backup.Script, account)
		}
	}
}

// TestBackupPodsAreNotServers: what selects the servers by their labels must not find the pods of backups.
func TestBackupPodsAreNotServers(t *testing.T) {
	instance := newInstance(withBackup)
	now := rolloutOf(instance, facts{}, "8.4.3", "mysql", nil)
	pod := backupCronJob(instance, now).Spec.JobTemplate.Spec.Template
	if selects := selector(instance).Matches(labels.Set(pod.Labels)); selects {
		t.Errorf("the servers' selector finds pods with the labels %v", pod.Labels)
	}
	if pod.Labels[LabelManagedBy] != "" {
		t.Error("the pods would be in the cache")
	}
}

func TestBackupSuspension(t *testing.T) {
	for state, want := range map[v1.PowerState]bool{v1.PowerRunning: false, v1.PowerStopped: true} {
		instance := newInstance(withBackup, func(i *v1.MySQLInstance) { i.Spec.PowerState = state })
		now := rolloutOf(instance, facts{}, "8.4.3", "mysql", nil)
		if got := *backupCronJob(instance, now).Spec.Suspend; got != want {
			t.Errorf("%s: suspended is %v, want %v", state, got, want)
		}
	}
}

// TestBackupSpeaksAsTheServersDo: with TLS as the servers were started, not as a spec that waits for its window asks.
func TestBackupSpeaksAsTheServersDo(t *testing.T) {
	tests := map[string]struct {
		tls       v1.TLS
		authority bool
		wantMode  string
		wantCA    string
		wantMount bool
	}{
		"no TLS":    {tls: v1.TLS{Mode: v1.TLSDisabled}, wantMode: "Disabled"},
		"preferred": {tls: v1.TLS{Mode: v1.TLSPreferred}, wantMode: "Preferred"},
		"with a certificate of nobody in particular": {
			tls: v1.TLS{Mode: v1.TLSRequired, SecretName: new("certificate")}, wantMode: "Required",
		},
		"with one of an authority": {
			tls: v1.TLS{Mode: v1.TLSRequired, SecretName: new("certificate")}, authority: true,
			wantMode: "Required", wantCA: "/etc/mysql/tls/ca.crt", wantMount: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			runs := newInstance(withBackup, func(i *v1.MySQLInstance) { i.Spec.TLS = test.tls })
			now := rolloutOf(runs, facts{certificate: certificateFacts{hasAuthority: test.authority}}, "8.4.3", "mysql", nil)
			asked := newInstance(withBackup, func(i *v1.MySQLInstance) { i.Spec.TLS = v1.TLS{Mode: v1.TLSRequired} })
			pod := backupCronJob(asked, now).Spec.JobTemplate.Spec.Template.Spec
			env := map[string]string{}
			for _, variable := range pod.Containers[0].Env {
				if variable.Value != nil {
					env[*variable.Name] = *variable.Value
				}
			}
			if env["TLS_MODE"] != test.wantMode || env["TLS_CA"] != test.wantCA {
				t.Errorf("TLS_MODE is %q and TLS_CA %q, want %q and %q",
					env["TLS_MODE"], env["TLS_CA"], test.wantMode, test.wantCA)
			}
			mounted := false
			for _, volume := range pod.Volumes {
				if volume.Secret == nil {
					continue
				}
				mounted = true
				if len(volume.Secret.Items) != 1 || *volume.Secret.Items[0].Key != "ca.crt" {
					t.Errorf("more of the Secret is mounted than the authority: %v", volume.Secret.Items)
				}
			}
			if mounted != test.wantMount {
				t.Errorf("mounted: %v, want %v", mounted, test.wantMount)
			}
		})
	}
}

func TestBackupResources(t *testing.T) {
	instance := newInstance(withBackup, func(i *v1.MySQLInstance) {
		i.Spec.Resources = v1.Resources{CPU: new(resource.MustParse("50m")), Memory: new(resource.MustParse("4Gi"))}
	})
	now := rolloutOf(instance, facts{}, "8.4.3", "mysql", nil)
	got := backupCronJob(instance, now).Spec.JobTemplate.Spec.Template.Spec.Containers[0].Resources
	want := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("256Mi"),
	}
	if diff := cmp.Diff(want, *got.Requests); diff != "" {
		t.Errorf("requests above the limits are refused (-want +got):\n%s", diff)
	}
}

// TestBackupClaim: a claim that exists keeps what cannot change.
func TestBackupClaim(t *testing.T) {
	live := func(size string, class *string, grows bool) *liveBackupClaim {
		return &liveBackupClaim{size: resource.MustParse(size), class: class, grows: grows}
	}
	tests := map[string]struct {
		live      *liveBackupClaim
		wantSize  string
		wantClass *string
	}{
		"none yet":                    {wantSize: "20Gi", wantClass: new("slow")},
		"as asked":                    {live: live("20Gi", new("slow"), false), wantSize: "20Gi", wantClass: new("slow")},
		"smaller, and can grow":       {live: live("10Gi", new("slow"), true), wantSize: "20Gi", wantClass: new("slow")},
		"smaller, and cannot":         {live: live("10Gi", new("slow"), false), wantSize: "10Gi", wantClass: new("slow")},
		"larger":                      {live: live("30Gi", new("slow"), true), wantSize: "30Gi", wantClass: new("slow")},
		"of another class":            {live: live("20Gi", new("fast"), false), wantSize: "20Gi", wantClass: new("fast")},
		"of the class of the cluster": {live: live("20Gi", nil, false), wantSize: "20Gi"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			claim := backupClaim(newInstance(withBackup), test.live)
			size := (*claim.Spec.Resources.Requests)[corev1.ResourceStorage]
			if size.Cmp(resource.MustParse(test.wantSize)) != 0 {
				t.Errorf("size is %s, want %s", size.String(), test.wantSize)
			}
			if diff := cmp.Diff(test.wantClass, claim.Spec.StorageClassName); diff != "" {
				t.Errorf("class (-want +got):\n%s", diff)
			}
			if len(claim.OwnerReferences) > 0 {
				t.Error("the volume would go with its owner, whatever the deletionPolicy")
			}
		})
	}
}
