package switching

import (
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TestAnsweredCall has what kube-apiserver says, word for word. That it says so is what e2e/switch_test.go shows.
func TestAnsweredCall(t *testing.T) {
	failed := func(why string) error {
		return apierrors.NewInternalError(fmt.Errorf("failed calling webhook %q: %s", reachWebhook, why))
	}
	for name, test := range map[string]struct {
		said     error
		answered bool
	}{
		"taken, since it does not know of the webhook yet": {nil, false},
		"no connection": {failed(`failed to call webhook: Post "https://duet-apiserver.duet-system.svc:7443/readyz?timeout=5s": ` +
			"dial tcp 127.0.0.1:7443: connect: connection refused"), false},
		"not trusted": {failed(`failed to call webhook: Post "https://duet-apiserver.duet-system.svc:7443/readyz?timeout=5s": ` +
			"tls: failed to verify certificate: x509: certificate signed by unknown authority"), false},
		"no certificate authority that can be read": {failed("could not get REST client: unable to load root certificates"), false},
		"refused for another reason":                {errors.New("forbidden"), false},
		"an answer that is no object":               {failed("failed to call webhook: couldn't get version/kind; json parse error"), true},
		"an answer that is a refusal":               {failed(`failed to call webhook: forbidden: User "system:anonymous" cannot post`), true},
		"an answer that is another object": {failed("received invalid webhook response: expected webhook response of " +
			"admission.k8s.io/v1, Kind=AdmissionReview"), true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := answeredCall(test.said); (err == nil) != test.answered {
				t.Errorf("answered %t wanted, and %v got", test.answered, err)
			}
		})
	}
}
