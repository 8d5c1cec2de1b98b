package validation

import (
	"fmt"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/release"
)

// Warnings are about valid objects: what their owner should know. old is nil on create. They name no field, so that one
// text serves every version. An update that leaves the spec alone gets none about the spec.
func Warnings(obj, old *mysql.MySQLInstance) []string {
	if old == nil {
		return append(specWarnings(&obj.Spec), finalizerWarnings(obj.Finalizers, nil)...)
	}
	var warnings []string
	if !apiequality.Semantic.DeepEqual(obj.Spec, old.Spec) {
		warnings = specWarnings(&obj.Spec)
	}
	return append(warnings, finalizerWarnings(obj.Finalizers, old.Finalizers)...)
}

func specWarnings(spec *mysql.MySQLInstanceSpec) []string {
	var warnings []string
	if version, err := release.Parse(spec.Version); err == nil && version.Series().Support == release.Deprecated {
		warnings = append(warnings,
			fmt.Sprintf("MySQL %s is deprecated: move to a newer release series", version.Series().Name))
	}
	if spec.Backup == nil {
		warnings = append(warnings, "no backup is scheduled: a lost volume is lost data")
	}
	if replicas := ptr.Deref(spec.Replicas, 1); replicas%2 == 0 {
		warnings = append(warnings,
			fmt.Sprintf("%d is an even number of servers: no side of a split has the majority", replicas))
	}
	return warnings
}

// finalizerWarnings says what the CustomResourceDefinition's own strategy says about new finalizers.
func finalizerWarnings(finalizers, old []string) []string {
	standard := sets.New(metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents, "kubernetes")
	var warnings []string
	for _, name := range sets.List(sets.New(finalizers...).Difference(sets.New(old...))) {
		for _, message := range utilvalidation.IsQualifiedName(name) {
			warnings = append(warnings, fmt.Sprintf("metadata.finalizers: %q: %s", name, message))
		}
		if strings.Contains(name, "/") || standard.Has(name) {
			continue
		}
		hint := "prefer a domain-qualified finalizer name"
		if strings.Contains(name, ".") {
			hint += " including a path (/)"
		}
		warnings = append(warnings, fmt.Sprintf(
			"metadata.finalizers: %q: %s to avoid accidental conflicts with other finalizer writers", name, hint))
	}
	return warnings
}
