package apiserver

import (
	"net/http"

	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"

	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// deprecationWarning is what the CustomResourceDefinition says in deprecationWarning, word for word. The library's own
// way (APILifecycleDeprecated on the type) would add the Kubernetes releases that a built-in version goes away with,
// which mean nothing here.
const deprecationWarning = "mysql.example.com/v1alpha1 MySQLInstance is deprecated; " +
	"use mysql.example.com/v1 MySQLInstance"

// withDeprecationWarning adds the warning to the answer of each request for v1alpha1.
func withDeprecationWarning(next http.Handler) http.Handler {
	deprecated := v1alpha1.SchemeGroupVersion
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		info, ok := genericapirequest.RequestInfoFrom(req.Context())
		if ok && info.IsResourceRequest && info.APIGroup == deprecated.Group && info.APIVersion == deprecated.Version {
			warning.AddWarning(req.Context(), "", deprecationWarning)
		}
		next.ServeHTTP(w, req)
	})
}
