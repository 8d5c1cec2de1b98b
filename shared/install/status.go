package install

import (
	"context"

	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/process"
)

// Status is what a look at the cluster and the processes shows.
type Status struct {
	// Form that serves; empty when none does.
	Form string `json:"form,omitempty"`
	// Profile and Storage of that form; when none serves, of the one that was installed last.
	Profile string  `json:"profile,omitempty"`
	Storage Storage `json:"storage,omitempty"`
	// Versions of the form and whether each answers.
	Versions []VersionStatus `json:"versions,omitempty"`
	// Objects stored, all namespaces; nil when no version answers.
	Objects *int `json:"objects,omitempty"`
	// Held: a CustomResourceDefinition is parked, and may not be deleted because objects are stored below its keys.
	Held bool `json:"held"`
	// Switch is where the last switch between the forms stands; nil when there was none.
	Switch *SwitchState `json:"switch,omitempty"`
	// Foreign is somebody else's service behind the group, as namespace/name.
	Foreign string `json:"foreign,omitempty"`
	// Processes of the control plane and the installation.
	Processes []process.Status `json:"processes"`
}

// VersionStatus is one served version.
type VersionStatus struct {
	Version string `json:"version"`
	Serves  bool   `json:"serves"`
	// Error of the LIST, discovery or schema that failed.
	Error string `json:"error,omitempty"`
}

// Status looks at what is installed and whether it answers.
func (i *Installer) Status(ctx context.Context) (Status, error) {
	processes, err := i.Env.Runner().List(ctx)
	if err != nil {
		return Status{}, err
	}
	detected, err := Detect(ctx, i.client)
	if err != nil {
		return Status{Processes: processes}, err
	}
	record, err := ReadRecord(ctx, i.client)
	if err != nil {
		return Status{Processes: processes}, err
	}
	held, err := get(ctx, i.client, hold()[0].GroupVersionKind(), hold()[0].GetName())
	if err != nil {
		return Status{Processes: processes}, err
	}
	lastSwitch, err := i.ReadSwitch(ctx)
	if err != nil {
		return Status{Processes: processes}, err
	}
	status := Status{
		Form: detected.Form, Foreign: detected.Foreign, Profile: record.Profile, Storage: record.Storage,
		Held: held != nil, Switch: lastSwitch, Processes: processes,
	}
	if detected.Form == "" {
		return status, nil
	}
	form, err := i.Forms.Named(detected.Form)
	if err != nil {
		return status, err
	}
	if status.Profile, err = ServingProfile(form, record, lastSwitch); err != nil {
		return status, err
	}
	status.Storage = form.Storage(status.Profile)
	for _, version := range form.Versions(status.Profile) {
		answer := VersionStatus{Version: version}
		if err := i.Serves(ctx, version); err != nil {
			answer.Error = err.Error()
		} else {
			answer.Serves = true
		}
		status.Versions = append(status.Versions, answer)
	}
	if instances, err := i.instances(ctx); err == nil {
		status.Objects = ptr.To(len(instances))
	}
	return status, nil
}
