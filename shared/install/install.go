package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/process"
)

// Installer puts a form into place and takes it away again.
type Installer struct {
	Env   *Environment
	Forms Forms
	// Progress is told each step as it begins.
	Progress func(format string, args ...any)

	client   client.Client
	metadata metadata.Interface
}

// NewInstaller returns an installer for an environment.
func NewInstaller(env *Environment, forms Forms, progress func(format string, args ...any)) (*Installer, error) {
	c, err := client.New(env.Config(), client.Options{})
	if err != nil {
		return nil, fmt.Errorf("could not reach the control plane: %w", err)
	}
	m, err := metadata.NewForConfig(env.Config())
	if err != nil {
		return nil, fmt.Errorf("could not reach the control plane: %w", err)
	}
	return &Installer{Env: env, Forms: forms, Progress: progress, client: c, metadata: m}, nil
}

// Install brings a form up and waits until it really answers. It is safe to run again: what is as planned is left
// alone, what is not is put right. It refuses to put one form over the other, because the objects of the first would
// be cut off from their clients without a check that the second reads them alike.
func (i *Installer) Install(ctx context.Context, formName, profileFlag string) error {
	form, err := i.Forms.Named(formName)
	if err != nil {
		return err
	}
	release, err := i.Lock()
	if err != nil {
		return err
	}
	defer release()
	if err := i.midSwitch(ctx); err != nil {
		return err
	}
	record, err := ReadRecord(ctx, i.client)
	if err != nil {
		return err
	}
	detected, err := Detect(ctx, i.client)
	if err != nil {
		return err
	}
	if profileFlag == "" && record.Form == form.Name() && detected.Form == form.Name() {
		profileFlag = record.Profile // installing again without saying otherwise keeps what is there
	}
	profile, err := ProfileOf(form, profileFlag)
	if err != nil {
		return err
	}
	if err := i.refuse(form, profile, detected, record); err != nil {
		return err
	}

	plan, err := i.Env.Plan(ctx, form, profile)
	if err != nil {
		return err
	}
	controller, err := controllerPlan(i.Env)
	if err != nil {
		return err
	}

	if err := i.Prepare(ctx, &Plan{
		Prerequisites: slices.Concat(plan.Prerequisites, controller.Prerequisites), Processes: plan.Processes,
	}); err != nil {
		return err
	}
	i.Progress("applying what makes the API appear")
	if err := apply(ctx, i.client, plan.Objects); err != nil {
		return i.explain(ctx, plan.Processes, err)
	}
	if err := i.prune(ctx, form, profile, plan); err != nil {
		return err
	}
	i.Progress("waiting until the API answers")
	if err := i.waitServing(ctx, form, profile, plan); err != nil {
		return err
	}
	if form.Name() == CRD {
		// Another form leaves a parked CustomResourceDefinition where it is, and so the hold on it.
		if err := i.lowerHold(ctx); err != nil {
			return err
		}
	}
	if restored, err := i.UnparkChildren(ctx); err != nil {
		return err
	} else if restored > 0 {
		i.Progress("gave %d children back to their owners", restored)
	}
	i.Progress("starting the controller")
	if err := i.startController(ctx, controller); err != nil {
		return err
	}
	return i.writeRecord(ctx, Record{Form: form.Name(), Profile: profile, Storage: form.Storage(profile)})
}

func (i *Installer) refuse(form Implementation, profile string, detected Detected, record Record) error {
	switch {
	case detected.Foreign != "":
		return fmt.Errorf("service %s already serves %s: Duet does not take a group away from somebody else; "+
			"remove APIService %s.%s first if it is no longer wanted", detected.Foreign, Group, Resource.Version, Group)
	case detected.Form != "" && detected.Form != form.Name():
		return fmt.Errorf("%s is installed: one form is not put over the other. To change a live API, use "+
			"`duet switch --to %s`; with a gap, `duet uninstall` keeps every object in %s, and `duet install --impl %s` "+
			"serves it again", detected.Form, form.Name(), ControlPlaneEtcd, form.Name())
	case detected.Form == form.Name() && record.Storage != "" && record.Storage != form.Storage(profile):
		return fmt.Errorf("%s keeps its objects in %s, and profile %s would read %s: `duet uninstall` first",
			form.Name(), record.Storage, profile, form.Storage(profile))
	case detected.Form == "" && record.Form != "" && record.Storage != form.Storage(profile):
		return fmt.Errorf("%s was uninstalled and left its objects in %s, where %s with profile %s would not see them: install %s "+
			"with profile %s again to have them, and `duet uninstall --delete-data` to give them up",
			record.Form, record.Storage, form.Name(), profile, record.Form, record.Profile)
	}
	return nil
}

// issueTokens gives every service account of the installation a kubeconfig.
func (i *Installer) issueTokens(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		if object.GetKind() == "ServiceAccount" && object.GetNamespace() == Namespace {
			if _, err := i.Env.ServiceAccountKubeconfig(ctx, object.GetName()); err != nil {
				return err
			}
		}
	}
	return nil
}

// prune takes away what another profile of the same form has and this one has not.
func (i *Installer) prune(ctx context.Context, form Implementation, current string, plan *Plan) error {
	kept := map[string]bool{}
	for _, object := range plan.Objects {
		kept[describe(object)] = true
	}
	runs := map[string]bool{}
	for _, spec := range plan.Processes {
		runs[spec.Name] = true
	}
	for _, profile := range form.Profiles() {
		if profile == current {
			continue
		}
		other, err := i.Env.Plan(ctx, form, profile)
		if err != nil {
			return err
		}
		var surplus []*unstructured.Unstructured
		for _, object := range other.Objects {
			if !kept[describe(object)] {
				surplus = append(surplus, object)
			}
		}
		if err := remove(ctx, i.client, surplus); err != nil {
			return err
		}
		for _, spec := range other.Processes {
			if !runs[spec.Name] {
				if err := i.stop(ctx, spec.Name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// stop ends a process if it is there.
func (i *Installer) stop(ctx context.Context, name string) error {
	err := i.Env.Runner().Stop(ctx, name)
	if unknown := (*process.UnknownError)(nil); errors.As(err, &unknown) {
		return nil
	}
	return err
}

// waitServing waits for what a user needs next: a LIST of every version, discovery (which kubectl reads first), the
// schema (which explain and client-side validation read), and that the rules are enforced.
func (i *Installer) waitServing(ctx context.Context, form Implementation, profile string, plan *Plan) error {
	err := poll(ctx, 2*time.Minute, fmt.Sprintf("%s to serve", form.Name()), func(ctx context.Context) error {
		if err := i.exited(ctx, plan.Processes); err != nil {
			return final{err}
		}
		if err := i.Serves(ctx, form.Versions(profile)...); err != nil {
			return err
		}
		if !form.Capabilities(profile).Has(GoValidation) {
			return nil
		}
		return i.Env.AtEachAPIServer(func(config *rest.Config) error {
			for _, version := range form.Versions(profile) {
				if err := Enforces(ctx, config, version); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return i.explain(ctx, plan.Processes, err)
}

// exited says which of the processes is gone.
func (i *Installer) exited(ctx context.Context, specs []process.Spec) error {
	for _, spec := range specs {
		status, err := process.Find(ctx, i.Env.Runner(), spec.Name)
		if err != nil {
			return err
		}
		if status.State == process.Exited {
			return fmt.Errorf("%s has exited with code %d", spec.Name, *status.ExitCode)
		}
	}
	return nil
}

// explain adds the end of the processes' logs to an error.
func (i *Installer) explain(ctx context.Context, specs []process.Spec, err error) error {
	if err == nil {
		return nil
	}
	var text strings.Builder
	for _, spec := range specs {
		status, findErr := process.Find(ctx, i.Env.Runner(), spec.Name)
		if findErr != nil {
			continue
		}
		tail, tailErr := process.LogTail(status.LogFile, 5)
		if tailErr != nil || len(tail) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\nthe end of %s:\n  %s", status.LogFile, strings.Join(tail, "\n  "))
	}
	return fmt.Errorf("%w%s", err, text.String())
}

func namespaceObject() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": corev1.SchemeGroupVersion.String(), "kind": "Namespace",
		"metadata": map[string]any{"name": Namespace},
	}}
}
