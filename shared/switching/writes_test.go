package switching

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/shared/install"
)

// webhooks is a configuration of one webhook for the groups, with the timeout that it says, if any.
func webhooks(timeout any, groups ...any) unstructured.Unstructured {
	webhook := map[string]any{
		"name": "a.example.com", "admissionReviewVersions": []any{"v1"}, "sideEffects": "None",
		"clientConfig": map[string]any{"url": "https://localhost"},
		"rules": []any{map[string]any{
			"apiGroups": groups, "apiVersions": []any{"*"}, "operations": []any{"*"}, "resources": []any{"*"},
		}},
	}
	if timeout != nil {
		webhook["timeoutSeconds"] = timeout
	}
	return unstructured.Unstructured{Object: map[string]any{"webhooks": []any{webhook}}}
}

func TestLongestWebhook(t *testing.T) {
	for name, test := range map[string]struct {
		configurations []unstructured.Unstructured
		want           time.Duration
	}{
		"none":                   {nil, 0},
		"of others":              {[]unstructured.Unstructured{webhooks(int64(30), "apps")}, 0},
		"the default":            {[]unstructured.Unstructured{webhooks(nil, install.Group)}, 10 * time.Second},
		"the longest":            {[]unstructured.Unstructured{webhooks(int64(3), install.Group), webhooks(int64(25), "*")}, 25 * time.Second},
		"shorter than a default": {[]unstructured.Unstructured{webhooks(int64(2), "apps", install.Group)}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := longestWebhook(test.configurations)
			if err != nil || got != test.want {
				t.Errorf("longestWebhook() = %v, %v, want %v", got, err, test.want)
			}
		})
	}
}
