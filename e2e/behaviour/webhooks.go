package behaviour

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	admissionreviewv1 "k8s.io/api/admission/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/certs"
)

var webhookRows = []Row{
	{
		ID: "B12", Group: Validation, Title: "A cluster's admission webhooks",
		Why: "Webhooks that are not asked, or asked twice, break policies and double their load, " +
			"and an aggregated server has to ask them itself.",
		Source: "apiserver pkg/server/options/admission.go; custom-resources, Admission Webhooks", Flag: Parity,
		Labels: []string{Slow}, Site: true,
		Expect: Both("asked for a create: mutating 1, validating 1; for a patch: mutating 1, validating 1; " +
			"for a status: none; for a delete: validating 1; its label is stored; " +
			"when it is gone: Ignore 201, Fail 500 InternalError"),
		Probe: admissionWebhooks,
	},
}

// reviewer is a webhook server of a row's own on this machine. It allows everything, adds a label where it may, and
// counts what it is asked about the row's own requests: the controller writes when it likes.
type reviewer struct {
	address string
	bundle  []byte
	server  *http.Server

	mu    sync.Mutex
	asked map[string]int // by path and operation, such as "mutating CREATE"
}

// Paths of a reviewer, which are also what it calls its questions.
const (
	mutating   = "mutating"
	validating = "validating"
)

// reviewer starts the server. It ends with the row.
func (s *Subject) reviewer() (*reviewer, error) {
	ca, err := certs.NewCA("duet-reviewer")
	if err != nil {
		return nil, err
	}
	certPEM, keyPEM, err := ca.IssueServing("127.0.0.1")
	if err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("could not use a certificate just issued: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("could not listen: %w", err)
	}
	r := &reviewer{address: listener.Addr().String(), bundle: ca.Bundle(), asked: map[string]int{}}
	r.server = &http.Server{
		Handler:           r,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}},
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // clients that go away are none of the row's business
	}
	s.afterwards(func(context.Context) error { return r.server.Close() })
	go func() { _ = r.server.ServeTLS(listener, "", "") }()
	return r, nil
}

func (r *reviewer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var review admissionreviewv1.AdmissionReview
	if err := json.NewDecoder(request.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "not an admission review", http.StatusBadRequest)
		return
	}
	kind := strings.TrimPrefix(request.URL.Path, "/")
	if !strings.HasPrefix(review.Request.UserInfo.Username, "system:serviceaccount:") {
		r.mu.Lock()
		r.asked[kind+" "+string(review.Request.Operation)]++
		r.mu.Unlock()
	}
	review.Response = &admissionreviewv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	if kind == mutating && review.Request.Operation == admissionreviewv1.Create {
		review.Response.Patch = []byte(`[{"op":"add","path":"/metadata/labels","value":{"tier":"reviewed"}}]`)
		review.Response.PatchType = ptr.To(admissionreviewv1.PatchTypeJSONPatch)
	}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review) // who hung up does not want the answer
}

// counts says what was asked since the last call, for one operation.
func (r *reviewer) counts(operation admissionv1.OperationType) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var asked []string
	for _, kind := range []string{mutating, validating} {
		if count := r.asked[kind+" "+string(operation)]; count > 0 {
			asked = append(asked, fmt.Sprintf("%s %d", kind, count))
		}
	}
	r.asked = map[string]int{}
	if len(asked) == 0 {
		return "none"
	}
	return strings.Join(asked, ", ")
}

// client is how an API server reaches it.
func (r *reviewer) client(kind string) admissionv1.WebhookClientConfig {
	return admissionv1.WebhookClientConfig{URL: ptr.To("https://" + r.address + "/" + kind), CABundle: r.bundle}
}

// register has the API servers ask a reviewer about writes in the row's namespace, and then, once it is known that they
// do, count from zero.
func (s *Subject) register(ctx context.Context, client kubernetes.Interface, r *reviewer,
	failure admissionv1.FailurePolicyType) error {
	mutatings := client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	validatings := client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	named := metav1.ObjectMeta{GenerateName: s.Namespace + "-"}
	name := strings.ToLower(string(failure)) + ".row.duet.example.com"
	writes := func(operations ...admissionv1.OperationType) []admissionv1.RuleWithOperations {
		rule := onWrites()[0].RuleWithOperations
		rule.Operations = operations
		return []admissionv1.RuleWithOperations{rule}
	}
	first, err := mutatings.Create(ctx, &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: named,
		Webhooks: []admissionv1.MutatingWebhook{{
			Name: name, ClientConfig: r.client(mutating), Rules: writes(admissionv1.Create, admissionv1.Update),
			NamespaceSelector: inNamespace(s.Namespace), FailurePolicy: &failure,
			SideEffects: ptr.To(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			TimeoutSeconds: ptr.To[int32](5),
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not register a webhook: %w", err)
	}
	s.afterwards(func(ctx context.Context) error { return mutatings.Delete(ctx, first.Name, metav1.DeleteOptions{}) })
	second, err := validatings.Create(ctx, &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: named,
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: name, ClientConfig: r.client(validating),
			Rules:             writes(admissionv1.Create, admissionv1.Update, admissionv1.Delete),
			NamespaceSelector: inNamespace(s.Namespace), FailurePolicy: &failure,
			SideEffects: ptr.To(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			TimeoutSeconds: ptr.To[int32](5),
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("could not register a webhook: %w", err)
	}
	s.afterwards(func(ctx context.Context) error { return validatings.Delete(ctx, second.Name, metav1.DeleteOptions{}) })
	return eventually(ctx, "the webhooks asked", func(ctx context.Context) (bool, error) {
		_, err := stored(s.post(ctx, s.path(), fixture.Instance("trial"), wire.Query("dryRun", metav1.DryRunAll)))
		return strings.Count(r.counts(admissionv1.Create), " ") > 2, err // both kinds, with their numbers
	})
}

func admissionWebhooks(ctx context.Context, s *Subject) (Observation, error) {
	client, err := s.kubernetes()
	if err != nil {
		return Observation{}, err
	}
	r, err := s.reviewer()
	if err != nil {
		return Observation{}, err
	}
	if err := s.register(ctx, client, r, admissionv1.Ignore); err != nil {
		return Observation{}, err
	}
	created, err := s.create(ctx, fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	create := r.counts(admissionv1.Create)
	dryRun := wire.Query("dryRun", metav1.DryRunAll)
	note := func(path string) func(context.Context) (*wire.Answer, error) {
		return func(ctx context.Context) (*wire.Answer, error) {
			return s.patch(ctx, path, `{"metadata":{"annotations":{"note":"x"}}}`, wire.PatchType(types.MergePatchType), dryRun)
		}
	}
	patch, err := s.undisturbed(ctx, r, admissionv1.Update, note(s.path("db")))
	if err != nil {
		return Observation{}, err
	}
	status, err := s.undisturbed(ctx, r, admissionv1.Update, note(s.path("db", "status")))
	if err != nil {
		return Observation{}, err
	}
	remove, err := s.undisturbed(ctx, r, admissionv1.Delete, func(ctx context.Context) (*wire.Answer, error) {
		return s.delete(ctx, s.path("db"), nil, dryRun)
	})
	if err != nil {
		return Observation{}, err
	}

	if err := r.server.Close(); err != nil {
		return Observation{}, fmt.Errorf("could not stop the webhook server: %w", err)
	}
	ignored, err := s.post(ctx, s.path(), fixture.Instance("ignored"))
	if err != nil {
		return Observation{}, err
	}
	failed, err := s.failing(ctx, client)
	if err != nil {
		return Observation{}, err
	}
	return observed("asked for a create: %s; for a patch: %s; for a status: %s; for a delete: %s; its label is %s; "+
		"when it is gone: Ignore %s, Fail %s", create, patch, status, remove,
		choose(created.GetLabels()["tier"] == "reviewed", "stored", "not stored"), ignored.Verdict(), failed.Verdict())
}

// undisturbed sends a request about the instance that writes nothing, and says what was asked about it. A request that
// meets a write of the controller's, or finds the server's cache behind one, is made again by the server, and asked about
// again: then it is not the one that counts.
func (s *Subject) undisturbed(
	ctx context.Context, r *reviewer, operation admissionv1.OperationType, send func(context.Context) (*wire.Answer, error),
) (string, error) {
	asked := ""
	err := eventually(ctx, "a request that nobody disturbs", func(ctx context.Context) (bool, error) {
		cached, err := stored(s.get(ctx, s.path("db"), wire.Query("resourceVersion", "0")))
		if err != nil {
			return false, err
		}
		r.counts(operation)
		if _, err := stored(send(ctx)); err != nil {
			return false, err
		}
		asked = r.counts(operation)
		after, err := s.read(ctx)
		return err == nil && cached.GetResourceVersion() == after.GetResourceVersion(), err
	})
	return asked, err
}

// failing registers webhooks that must be asked and cannot be, and returns the first refusal.
func (s *Subject) failing(ctx context.Context, client kubernetes.Interface) (*wire.Answer, error) {
	r, err := s.reviewer()
	if err != nil {
		return nil, err
	}
	if err := s.register(ctx, client, r, admissionv1.Fail); err != nil {
		return nil, err
	}
	if err := r.server.Close(); err != nil {
		return nil, fmt.Errorf("could not stop the webhook server: %w", err)
	}
	return s.post(ctx, s.path(), fixture.Instance("failed"))
}
