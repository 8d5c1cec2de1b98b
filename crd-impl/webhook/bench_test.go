package webhook

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/duet-api/duet/shared/admission"
)

// What the server itself takes of a request, without the network: see bench/ for the whole.
func BenchmarkReviews(b *testing.B) {
	codec := newCodec()
	asked := 0
	found := emptyCluster{asked: &asked}
	validating := newValidationHandler(codec, admission.Validator{Secrets: found, StorageClasses: found})
	benchmarks := map[string]struct {
		handler http.Handler
		review  string
	}{
		"convert one":    {newConversionHandler(codec), conversionReview("mysql.example.com/v1", flat(""))},
		"convert 500":    {newConversionHandler(codec), conversionReview("mysql.example.com/v1alpha1", slices.Repeat([]string{nested("8.4.3", "")}, 500)...)},
		"default":        {newDefaultingHandler(codec), admissionReview(flat(`,"backupSchedule":"@daily"`), "")},
		"validate":       {validating, admissionReview(nested("8.4.3", ""), "")},
		"validate again": {validating, admissionReview(nested("8.4.4", ""), nested("8.4.3", ""))},
	}
	for name, benchmark := range benchmarks {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(benchmark.review))
				request.Header.Set("Content-Type", "application/json")
				recorder := httptest.NewRecorder()
				benchmark.handler.ServeHTTP(recorder, request)
				if recorder.Code != http.StatusOK {
					b.Fatal(recorder.Body)
				}
			}
		})
	}
}
