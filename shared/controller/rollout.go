package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// rollout is everything that the servers take up only by being restarted. Changing it is what this controller calls
// disruptive, and all of it changes together.
//
// The one that is in force is kept in an annotation of the ConfigMap, and the StatefulSet says by a hash which one it was
// made of. That is how a change can wait for the maintenance window while everything else of the spec is obeyed, how a
// foreign change is undone meanwhile, and how a StatefulSet is made anew without restarting the pods that it left.
type rollout struct {
	// Version of MySQL that the servers run.
	Version string `json:"version"`
	// Template of their pods.
	Template *corev1ac.PodTemplateSpecApplyConfiguration `json:"template"`
	// Settings that they take up when they start.
	Settings []setting `json:"settings"`
	// Complete once every server has run with it.
	Complete bool `json:"complete,omitempty"`
}

// rolloutOf is what the spec asks for. What is in force is not looked at, but for what a spec cannot say: that nobody
// asks for a restart any more is no reason for one.
func rolloutOf(instance *v1.MySQLInstance, f facts, version, repository string, inForce *rollout) rollout {
	restartedAt := instance.Annotations[v1.AnnotationRestartedAt]
	if restartedAt == "" && inForce != nil {
		restartedAt = inForce.annotation(v1.AnnotationRestartedAt)
	}
	settings := startSettings(instance, f)
	return rollout{
		Version:  version,
		Template: podTemplate(instance, f, version, repository+":"+version, settings, restartedAt),
		Settings: settings,
	}
}

// String is the roll-out as an annotation has it.
func (r rollout) String() string {
	content, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("a roll-out cannot be written as JSON: %v", err))
	}
	return string(content)
}

// hash tells roll-outs apart, whether they are complete or not.
func (r rollout) hash() string {
	r.Complete = false
	return shortHash(r.String())
}

func parseRollout(text string) *rollout {
	var r rollout
	if json.Unmarshal([]byte(text), &r) != nil || r.container() == nil {
		return nil
	}
	return &r
}

// rolloutOfConfigMap reads the record. One that somebody else wrote is none: only what this controller owns is believed.
func rolloutOfConfigMap(instance *v1.MySQLInstance, live *corev1.ConfigMap) (*rollout, error) {
	owned, err := corev1ac.ExtractConfigMap(live, FieldManager)
	if err != nil {
		return nil, fmt.Errorf("could not read the owned fields of ConfigMap %s: %w", live.Name, err)
	}
	if !isOwn(instance, "ConfigMap", live) || owned.ObjectMetaApplyConfiguration == nil {
		return nil, nil
	}
	return parseRollout(owned.Annotations[annotationRollout]), nil
}

// rolloutOfSet reads what a StatefulSet runs from the fields that this controller owns in it: for one whose record is
// lost. The settings are not to be read there.
func rolloutOfSet(set *appsv1.StatefulSet) (*rollout, error) {
	owned, err := appsv1ac.ExtractStatefulSet(set, FieldManager)
	if err != nil {
		return nil, fmt.Errorf("could not read the owned fields of StatefulSet %s: %w", set.Name, err)
	}
	if owned.Spec == nil || owned.Spec.Template == nil || owned.Spec.Template.ObjectMetaApplyConfiguration == nil {
		return nil, nil
	}
	r := &rollout{Version: owned.Spec.Template.Labels[labelVersion], Template: owned.Spec.Template}
	if r.container() == nil {
		return nil, nil
	}
	return r, nil
}

func (r rollout) container() *corev1ac.ContainerApplyConfiguration {
	if r.Template == nil || r.Template.Spec == nil {
		return nil
	}
	for i, c := range r.Template.Spec.Containers {
		if c.Name != nil && *c.Name == containerName {
			return &r.Template.Spec.Containers[i]
		}
	}
	return nil
}

// memory that each server has.
func (r rollout) memory() resource.Quantity {
	c := r.container()
	if c == nil || c.Resources == nil || c.Resources.Limits == nil {
		return resource.Quantity{}
	}
	return (*c.Resources.Limits)[corev1.ResourceMemory]
}

func (r rollout) annotation(key string) string {
	if r.Template == nil || r.Template.ObjectMetaApplyConfiguration == nil {
		return ""
	}
	return r.Template.Annotations[key]
}

// same says whether two roll-outs ask for the same, complete or not.
func (r rollout) same(other rollout) bool {
	return equality.Semantic.DeepEqual(r.Template, other.Template)
}

// changesTo says in words what another roll-out changes.
func (r rollout) changesTo(next rollout) []string {
	var changes []string
	add := func(changed bool, what string) {
		if changed {
			changes = append(changes, what)
		}
	}
	add(r.Version != next.Version, fmt.Sprintf("version %s to %s", r.Version, next.Version))
	add(!equality.Semantic.DeepEqual(r.container().Resources, next.container().Resources), "spec.resources")
	if names := changedSettings(r.Settings, next.Settings); len(names) > 0 {
		changes = append(changes, "the settings "+strings.Join(names, ", "))
	}
	add(r.annotation(annotationCertificateHash) != next.annotation(annotationCertificateHash), "the certificate")
	add(r.annotation(v1.AnnotationRestartedAt) != next.annotation(v1.AnnotationRestartedAt),
		"a restart, asked for at "+next.annotation(v1.AnnotationRestartedAt))
	if len(changes) == 0 && !r.same(next) {
		changes = append(changes, "the pod template")
	}
	return changes
}

// changedSettings are the names of those that only one of two lists has.
func changedSettings(a, b []setting) []string {
	var names []string
	for _, pair := range [][2][]setting{{a, b}, {b, a}} {
		for _, s := range pair[0] {
			if !slices.Contains(pair[1], s) {
				names = append(names, s.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
