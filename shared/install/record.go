package install

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// recordName is the ConfigMap in Namespace that says what was asked for.
const recordName = "duet-installation"

// Record is what the last installation was asked for. Which form really serves is never read from here but from
// Detect; the record holds what the cluster does not show.
type Record struct {
	// Form and Profile of the last installation.
	Form, Profile string
	// Storage that its objects are in.
	Storage Storage
}

// ReadRecord reads what the last installation was asked for. It is empty where there was none.
func ReadRecord(ctx context.Context, c client.Client) (Record, error) {
	configMap := &corev1.ConfigMap{}
	err := c.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: recordName}, configMap)
	if err != nil && !apierrors.IsNotFound(err) {
		return Record{}, fmt.Errorf("could not read what is installed: %w", err)
	}
	return Record{
		Form: configMap.Data["form"], Profile: configMap.Data["profile"], Storage: Storage(configMap.Data["storage"]),
	}, nil
}

// ServingProfile is the profile of a form that serves: what a switch that is under way has it as, or else what it was
// installed with. One that Duet has not installed is taken for the first profile.
func ServingProfile(form Implementation, record Record, last *SwitchState) (string, error) {
	if last != nil && last.Phase == Switching {
		for _, side := range []SwitchSide{last.From, last.To} {
			if side.Form == form.Name() {
				return ProfileOf(form, side.Profile)
			}
		}
	}
	if record.Form == form.Name() {
		return ProfileOf(form, record.Profile)
	}
	return ProfileOf(form, "")
}

func (i *Installer) writeRecord(ctx context.Context, record Record) error {
	return apply(ctx, i.client, []*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": recordName, "namespace": Namespace},
		"data": map[string]any{
			"form": record.Form, "profile": record.Profile, "storage": string(record.Storage),
		},
	}}})
}
