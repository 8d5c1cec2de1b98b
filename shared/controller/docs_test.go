package controller

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/duet-api/duet/shared/backup"
)

// TestTheDocumentedRestore: the Job that operators copy from docs/backup.md is the pod of a backup with the other script,
// and fits what the controller makes.
func TestTheDocumentedRestore(t *testing.T) {
	page, err := os.ReadFile("../../docs/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	_, manifest, found := strings.Cut(string(page), "```yaml\napiVersion: batch/v1\n")
	manifest, _, ended := strings.Cut(manifest, "```")
	if !found || !ended {
		t.Fatal("there is no Job in docs/backup.md")
	}
	var documented batchv1.Job
	if err := yaml.UnmarshalStrict([]byte("apiVersion: batch/v1\n"+manifest), &documented); err != nil {
		t.Fatal(err)
	}

	instance := newInstance(withBackup)
	now := rolloutOf(instance, facts{}, instance.Spec.Version, "mysql", nil)
	content, err := json.Marshal(backupCronJob(instance, now).Spec.JobTemplate.Spec.Template.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var want corev1.PodSpec
	if err := json.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	want.TerminationGracePeriodSeconds = nil // a restore that is told to stop should get the time to
	container := &want.Containers[0]
	container.Name = "restore"
	container.Command = []string{"bash", scriptsDirectory + "/" + backup.RestoreScript}
	container.Resources = corev1.ResourceRequirements{}
	kept := container.Env[:0]
	for _, variable := range container.Env {
		if variable.Name != "RETENTION_DAYS" {
			kept = append(kept, variable)
		}
	}
	container.Env = kept
	if diff := cmp.Diff(want, documented.Spec.Template.Spec); diff != "" {
		t.Errorf("the documented pod is not that of a backup (-want +documented):\n%s", diff)
	}
	if documented.Namespace != instance.Namespace || *documented.Spec.BackoffLimit != 0 {
		t.Errorf("the documented Job is in %s with %d retries", documented.Namespace, *documented.Spec.BackoffLimit)
	}
}

// TestThePageNamesWhatThereIs keeps docs/controller.md from missing a reason or a metric.
func TestThePageNamesWhatThereIs(t *testing.T) {
	content, err := os.ReadFile("../../docs/controller.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?m)^\s+Reason\w+\s+= "(\w+)"$|"(duet_controller_\w+)"`)
	found := 0
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		code, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range named.FindAllStringSubmatch(string(code), -1) {
			name := match[1] + match[2]
			if found++; !strings.Contains(page, "`"+name+"`") {
				t.Errorf("%s is in %s and not in docs/controller.md", name, source)
			}
		}
	}
	if found == 0 {
		t.Error("no reason was found in the source")
	}
}
