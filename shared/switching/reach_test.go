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
		tried    bool // kube-apiserver has called it, and got no answer
	}{
		"taken, since it does not know of the webhook yet": {nil, false, false},
		"no connection": {failed(`failed to call webhook: Post "https://duet-apiserver.duet-system.svc:7443/readyz?timeout=5s": ` +
			"dial tcp 127.0.0.1:7443: connect: connection refused"), false, true},
		"not trusted": {failed(`failed to call webhook: Post "https://duet-apiserver.duet-system.svc:7443/readyz?timeout=5s": ` +
			"tls: failed to verify certificate: x509: certificate signed by unknown authority"), false, true},
		"no certificate authority that can be read": {failed("could not get REST client: unable to load root certificates"), false, false},
		"refused for another reason":                {errors.New("forbidden"), false, false},
		"an answer that is no object":               {failed("failed to call webhook: couldn't get version/kind; json parse error"), true, false},
		"an answer that is a refusal":               {failed(`failed to call webhook: forbidden: User "system:anonymous" cannot post`), true, false},
		"an answer that is another object": {failed("received invalid webhook response: expected webhook response of " +
			"admission.k8s.io/v1, Kind=AdmissionReview"), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := answeredCall(test.said)
			if (err == nil) != test.answered || unreached(t.Context(), err) != test.tried {
				t.Errorf("answered %t wanted, or tried %t, and %v got", test.answered, test.tried, err)
			}
		})
	}
}
