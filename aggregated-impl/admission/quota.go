package admission

import (
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/quota/v1/generic"
)

// QuotaInitializer completes the library's ResourceQuota plugin. The library has the plugin but neither registers nor
// initializes it; without it `count/mysqlinstances.mysql.example.com` in a ResourceQuota would be counted by the
// controller manager and enforced by nobody. No evaluator is given: the plugin counts objects of an unknown resource.
type QuotaInitializer struct{}

var _ admission.PluginInitializer = QuotaInitializer{}

// Initialize hands the plugin its configuration. It must run after the generic initializer, which says when to stop.
func (QuotaInitializer) Initialize(plugin admission.Interface) {
	if quota, ok := plugin.(initializer.WantsQuotaConfiguration); ok {
		quota.SetQuotaConfiguration(generic.NewConfiguration(nil, nil))
	}
}
