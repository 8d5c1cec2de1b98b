package install

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Phase of a switch.
type Phase string

// Phases.
const (
	// Switching: a run is at work, or was, and another has to go on.
	Switching Phase = "Switching"
	// Switched: the switch is done.
	Switched Phase = "Switched"
	// TakenBack: the switch was taken back before the other form had served.
	TakenBack Phase = "TakenBack"
)

// SwitchSide is one of the two forms of a switch.
type SwitchSide struct {
	Form    string `json:"form"`
	Profile string `json:"profile"`
}

// SwitchState is where the last switch stands. It is kept here, beside what is installed, because an installation must
// not begin in the middle of a switch; package switching reads and writes it.
type SwitchState struct {
	Phase Phase      `json:"phase"`
	From  SwitchSide `json:"from"`
	To    SwitchSide `json:"to"`
	// Strategy and Step are package switching's. Step is the one that is to be done next, or again.
	Strategy string `json:"strategy"`
	Step     string `json:"step,omitempty"`
	// Rollback: this switch takes another one back; MidSwitch: one that had not come to its end, so that both forms may serve,
	// and there is no way but on.
	Rollback  bool `json:"rollback,omitempty"`
	MidSwitch bool `json:"midSwitch,omitempty"`
	// Restores: what the form that is gone back to has stored is the truth, and the other one has a copy that nobody has been let
	// write to. Nothing is taken from there.
	Restores bool `json:"restores,omitempty"`
	// Fenced is since when writes are refused.
	Fenced *metav1.Time `json:"fenced,omitempty"`
	// Flipping: the form that is switched to may have answered somebody.
	Flipping bool `json:"flipping,omitempty"`
	// TakingBack: what was prepared is being taken away, the fences too, so that nobody may go on from here.
	TakingBack bool `json:"takingBack,omitempty"`
	// Raised is the revision after which the storage of the other form begins, where objects were copied.
	Raised int64 `json:"raised,omitempty"`
	// Export is the file that the objects were written to, where they are made anew through the API.
	Export string `json:"export,omitempty"`
	// PreviousExport is that of the switch that this one takes back, and which stands if this is taken back itself.
	PreviousExport string `json:"previousExport,omitempty"`
	// Deleting are the objects, as namespace/name, whose deletion had begun, and has to be begun again once they are made
	// anew.
	Deleting []string `json:"deleting,omitempty"`
	// Opened: writes that were refused are let in, to the form that serves now. The other one is out of date from here on: it
	// must neither be copied from nor serve again in this switch.
	Opened bool `json:"opened,omitempty"`
	// Since is when the phase or the step began.
	Since metav1.Time `json:"since"`
}

// GoOn says which command goes on with a switch that is under way, and which goes back. Flags are those that say where.
func (s SwitchState) GoOn(flags string) string {
	to := func(form string) string { return fmt.Sprintf("`duet switch%s --to %s`", flags, form) }
	back := fmt.Sprintf("`duet switch%s --rollback`", flags)
	switch {
	case s.TakingBack && s.Rollback:
		return fmt.Sprintf("it is being taken back: %s goes on with that, and %s begins anew afterwards", to(s.From.Form), back)
	case s.TakingBack:
		return fmt.Sprintf("it is being taken back: %s goes on with that, and %s begins anew afterwards", back, to(s.To.Form))
	case s.Rollback && s.MidSwitch, s.Rollback && s.Flipping:
		return back + " goes on with it"
	case s.Rollback:
		return fmt.Sprintf("%s goes on with it, and %s takes it back", back, to(s.From.Form))
	}
	return fmt.Sprintf("%s goes on with it, and %s takes it back", to(s.To.Form), back)
}

// switchRecordName is the ConfigMap in Namespace that holds a SwitchState.
const switchRecordName = "duet-switch"

// ReadSwitch reads where the last switch stands; nil where there was none.
func (i *Installer) ReadSwitch(ctx context.Context) (*SwitchState, error) {
	configMap := &corev1.ConfigMap{}
	err := i.client.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: switchRecordName}, configMap)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("could not read where the switch stands: %w", err)
	}
	state := &SwitchState{}
	if err := json.Unmarshal([]byte(configMap.Data["state"]), state); err != nil {
		return nil, fmt.Errorf("ConfigMap %s/%s does not say where the switch stands: %w", Namespace, switchRecordName, err)
	}
	return state, nil
}

// WriteSwitch keeps where a switch stands.
func (i *Installer) WriteSwitch(ctx context.Context, state SwitchState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return apply(ctx, i.client, []*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": switchRecordName, "namespace": Namespace},
		"data":     map[string]any{"state": string(text)},
	}}})
}

// midSwitch is an error while a switch is under way.
func (i *Installer) midSwitch(ctx context.Context) error {
	state, err := i.ReadSwitch(ctx)
	if err != nil || state == nil || state.Phase != Switching {
		return err
	}
	return fmt.Errorf("a switch from %s to %s is under way, at step %s: %s", state.From.Form, state.To.Form, state.Step, state.GoOn(""))
}
