package behaviour

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// selective is a user whom the authorizer lets list what one field selects, and nothing else.
const selective = "selective"

// authorizer is a webhook that kube-apiserver of an annex asks after RBAC. It has no opinion about anybody but one user.
type authorizer struct {
	url    string
	server *http.Server
}

func startAuthorizer() (*authorizer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("could not listen for an authorizer: %w", err)
	}
	a := &authorizer{url: "http://" + listener.Addr().String()}
	a.server = &http.Server{Handler: http.HandlerFunc(a.decide), ReadHeaderTimeout: time.Minute}
	go func() { _ = a.server.Serve(listener) }()
	return a, nil
}

func (a *authorizer) stop() { _ = a.server.Close() }

func (a *authorizer) decide(w http.ResponseWriter, r *http.Request) {
	var review authorizationv1.SubjectAccessReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Status.Allowed = review.Spec.User == selective && selects(review.Spec.ResourceAttributes, "spec.version")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

// selects is whether a request is for what a field selects only.
func selects(attributes *authorizationv1.ResourceAttributes, field string) bool {
	if attributes == nil || attributes.FieldSelector == nil {
		return false
	}
	return slices.ContainsFunc(attributes.FieldSelector.Requirements, func(r metav1.FieldSelectorRequirement) bool {
		return r.Key == field
	})
}
