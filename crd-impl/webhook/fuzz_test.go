package webhook

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/duet-api/duet/shared/admission"
)

// FuzzReviews sends anything: whatever it is, it gets an answer in JSON, and never makes a handler panic (which is the
// only way to a code 500 here). A failed look-up is an answer of its own, inside a review.
func FuzzReviews(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null",
		conversionReview("mysql.example.com/v1", flatObject, nestedObject),
		conversionReview("mysql.example.com/v1alpha1", flatObject, nestedObject),
		conversionReview("mysql.example.com/v1", flat(`,"maintenanceWindow":"Sun:23:00-Mon:01:00","config":{"a":"b"}`)),
		admissionReview(flat(`,"backupSchedule":"@daily","backupStorageGB":5`), ""),
		admissionReview(flat(`,"rootPasswordSecret":"a/b","sslSecret":"c","storageClass":"d"`), flat("")),
		admissionReview(nested("8.4.3", `,"parameters":[{"name":"a","value":"1G"}],"tls":{"mode":"Required","secretName":"x"}`), nested("8.0.36", "")),
		admissionReview(nested("9.1.0", `,"maintenanceWindow":{"day":"Sunday","startTime":"03:00","durationMinutes":60}`), ""),
	} {
		f.Add([]byte(seed))
	}
	codec := newCodec()
	asked := 0
	found := emptyCluster{asked: &asked}
	handlers := []http.Handler{
		newConversionHandler(codec), newDefaultingHandler(codec),
		newValidationHandler(codec, admission.Validator{Secrets: found, StorageClasses: found}),
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, handler := range handlers {
			code, answer := send(t, handler, string(body))
			if code == http.StatusInternalServerError {
				t.Errorf("%q made the handler fail: %s", body, answer)
			}
			if !json.Valid(answer) {
				t.Errorf("%q is answered with %q", body, answer)
			}
		}
	})
}
