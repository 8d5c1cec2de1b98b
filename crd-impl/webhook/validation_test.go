package webhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/duet-api/duet/shared/admission"
)

// emptyCluster has no Secret and no StorageClass, or cannot be asked.
type emptyCluster struct {
	err   error
	asked *int
}

func (c emptyCluster) GetSecret(_ context.Context, _, name string) (*corev1.Secret, error) {
	*c.asked++
	if c.err != nil {
		return nil, c.err
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name)
}

func (c emptyCluster) GetStorageClass(_ context.Context, name string) (*storagev1.StorageClass, error) {
	*c.asked++
	return nil, apierrors.NewNotFound(storagev1.Resource("storageclasses"), name)
}

func (c emptyCluster) ListStorageClasses(context.Context) ([]storagev1.StorageClass, error) {
	*c.asked++
	return nil, nil
}

// nested is a v1 object, defaulted as the schema does it. extra is added to its spec.
func nested(version, extra string) string {
	return `{"apiVersion":"mysql.example.com/v1","kind":"MySQLInstance","metadata":{"name":"orders","namespace":"shop"},` +
		`"spec":{"version":"` + version + `","replicas":3,"storage":{"size":"20Gi"},"resources":{"cpu":"500m","memory":"1Gi"},` +
		`"tls":{"mode":"Preferred"},"service":{"type":"ClusterIP","port":3306},"minorUpgradePolicy":"Manual",` +
		`"deletionPolicy":"Retain","powerState":"Running","backup":{"schedule":"@daily","retentionDays":7,` +
		`"storage":{"size":"5Gi"}}` + extra + `}}`
}

func TestValidation(t *testing.T) {
	tests := map[string]struct {
		object, old string
		down        error
		wantCode    int32 // 0 means allowed
		wantFields  []string
		wantWords   string
		wantAsked   int
	}{
		"a good object": {object: nested("8.4.3", "")},
		"a rule in Go, in the words of v1": {
			object:   nested("8.4.3", `,"parameters":[{"name":"datadir","value":"/tmp"}]`),
			wantCode: http.StatusUnprocessableEntity, wantFields: []string{"spec.parameters[0].name"},
		},
		"a rule in Go, in the words of v1alpha1": {
			object:   flat(`,"config":{"datadir":"/tmp"}`),
			wantCode: http.StatusUnprocessableEntity, wantFields: []string{"spec.config[datadir]"},
		},
		"a string of v1alpha1 that does not parse": {
			object:   flat(`,"maintenanceWindow":"whenever"`),
			wantCode: http.StatusUnprocessableEntity, wantFields: []string{"spec.maintenanceWindow"},
		},
		"a transition": {
			object: nested("9.1.0", ""), old: nested("8.0.36", ""),
			wantCode: http.StatusUnprocessableEntity, wantFields: []string{"spec.version"},
		},
		"a look-up, in the words of v1": {
			object:   nested("8.4.3", `,"credentials":{"rootSecretRef":{"name":"gone","key":"password"}}`),
			wantCode: http.StatusUnprocessableEntity, wantFields: []string{"spec.credentials.rootSecretRef.name"},
			wantWords: `no such Secret in namespace "shop"`, wantAsked: 1,
		},
		"a look-up, in the words of v1alpha1": {
			object:   flat(`,"rootPasswordSecret":"gone/password"`),
			wantCode: http.StatusUnprocessableEntity, wantFields: []string{"spec.rootPasswordSecret"}, wantAsked: 1,
		},
		"a look-up about what did not change": {
			object: nested("8.4.4", `,"credentials":{"rootSecretRef":{"name":"gone","key":"password"}}`),
			old:    nested("8.4.3", `,"credentials":{"rootSecretRef":{"name":"gone","key":"password"}}`),
		},
		"a look-up that fails": {
			object:   nested("8.4.3", `,"credentials":{"rootSecretRef":{"name":"root","key":"password"}}`),
			down:     errors.New("etcd is down"),
			wantCode: http.StatusInternalServerError, wantFields: []string{""}, wantWords: "etcd is down", wantAsked: 1,
		},
		"nothing is looked up for an object that is wrong in itself": {
			object: nested("8.4.3", `,"parameters":[{"name":"datadir","value":"/tmp"}],`+
				`"credentials":{"rootSecretRef":{"name":"gone","key":"password"}}`),
			wantCode: http.StatusUnprocessableEntity, wantFields: []string{"spec.parameters[0].name"},
		},
		"no object": {wantCode: http.StatusBadRequest, wantWords: "no object"},
		"another kind": {
			object: `{"apiVersion":"v1","kind":"Secret"}`, wantCode: http.StatusBadRequest, wantWords: "Secret",
		},
		"a wrong type": {
			object: flat(`,"storageClass":5`), wantCode: http.StatusBadRequest, wantWords: "could not decode the object: ",
		},
		"a stored object that cannot be read": {
			object: nested("8.4.3", ""), old: nested("8.4.3", `,"credentials":1`),
			wantCode: http.StatusBadRequest, wantWords: "could not read the stored object: could not decode",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			asked := 0
			found := emptyCluster{err: test.down, asked: &asked}
			handler := newValidationHandler(newCodec(), admission.Validator{Secrets: found, StorageClasses: found})
			response := admit(t, handler, admissionReview(test.object, test.old))
			if asked != test.wantAsked {
				t.Errorf("%d look-ups, want %d", asked, test.wantAsked)
			}
			if test.wantCode == 0 {
				if !response.Allowed {
					t.Errorf("refused: %s", response.Result.Message)
				}
				return
			}
			if response.Allowed || response.Result == nil {
				t.Fatal("allowed, want a refusal")
			}
			if response.Result.Code != test.wantCode {
				t.Errorf("code is %d, want %d: %s", response.Result.Code, test.wantCode, response.Result.Message)
			}
			if !strings.Contains(response.Result.Message, test.wantWords) {
				t.Errorf("message is %q, want one with %q", response.Result.Message, test.wantWords)
			}
			var fields []string
			if response.Result.Details != nil {
				for _, cause := range response.Result.Details.Causes {
					fields = append(fields, cause.Field)
				}
			}
			if diff := cmp.Diff(test.wantFields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s\n%s", diff, response.Result.Message)
			}
		})
	}
}

func TestValidationWarns(t *testing.T) {
	handler := newValidationHandler(newCodec(), admission.Validator{})
	response := admit(t, handler, admissionReview(flat(""), ""))
	if !response.Allowed || len(response.Warnings) == 0 {
		t.Errorf("an instance without a backup gives %+v, want it allowed with a warning", response)
	}
}

func TestValidationRefusesWhatNoConfigurationAsks(t *testing.T) {
	tests := map[string][2]string{
		"a deletion": {`"operation":"CREATE"`, `"operation":"DELETE"`},
		"a status":   {`"operation":"CREATE"`, `"operation":"CREATE","subResource":"status"`},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			handler := newValidationHandler(newCodec(), admission.Validator{})
			review := strings.Replace(admissionReview(nested("8.4.3", ""), ""), change[0], change[1], 1)
			response := admit(t, handler, review)
			if response.Allowed || response.Result.Code != http.StatusBadRequest {
				t.Errorf("the answer is %+v, want a refusal with code 400", response)
			}
		})
	}
}
