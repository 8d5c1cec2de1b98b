package subresource

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRelayed: what kube-apiserver says to the server keeps its meaning for the caller, except that the caller is not the
// one who is not known.
func TestRelayed(t *testing.T) {
	pod := corev1.Resource("pods")
	for name, test := range map[string]struct {
		err        error
		wantCode   int32
		wantReason metav1.StatusReason
	}{
		"not there": {apierrors.NewNotFound(pod, "db-0"), http.StatusNotFound, metav1.StatusReasonNotFound},
		"not ready": {apierrors.NewBadRequest("waiting to start"), http.StatusBadRequest, metav1.StatusReasonBadRequest},
		"the server's rights": {apierrors.NewForbidden(pod, "db-0", errors.New(`User "duet-apiserver" cannot`)),
			http.StatusForbidden, metav1.StatusReasonForbidden},
		"the server is not known": {apierrors.NewUnauthorized("Unauthorized"),
			http.StatusInternalServerError, metav1.StatusReasonInternalError},
		"no answer": {errors.New("connection refused"), http.StatusInternalServerError, metav1.StatusReasonInternalError},
	} {
		t.Run(name, func(t *testing.T) {
			var got apierrors.APIStatus
			if !errors.As(relayed("read the log of server 0", test.err), &got) {
				t.Fatal("an error without a status")
			}
			status := got.Status()
			if status.Code != test.wantCode || status.Reason != test.wantReason {
				t.Errorf("got %d %s, want %d %s", status.Code, status.Reason, test.wantCode, test.wantReason)
			}
			for _, want := range []string{"could not read the log of server 0", test.err.Error()} {
				if !strings.Contains(status.Message, want) {
					t.Errorf("%q does not say %q", status.Message, want)
				}
			}
		})
	}
}
