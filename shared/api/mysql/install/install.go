// Package install registers every version of the group with a scheme, in the order of preference.
package install

import (
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// Install adds the hub, v1 and v1alpha1 to a scheme. It panics on a registration that contradicts an earlier one:
// that is a mistake in the program, not in its input.
func Install(scheme *runtime.Scheme) {
	utilruntime.Must(mysql.AddToScheme(scheme))
	utilruntime.Must(v1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	utilruntime.Must(scheme.SetVersionPriority(v1.SchemeGroupVersion, v1alpha1.SchemeGroupVersion))
}
