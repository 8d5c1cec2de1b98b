package install

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/process"
)

// What follows are the parts that an installation, an uninstallation and a switch are put together from.

// Client is an administrator's client of the control plane.
func (i *Installer) Client() client.Client { return i.client }

// Prepare applies what must be there before a form's processes, and starts them. The API is not touched: whoever serves
// goes on.
func (i *Installer) Prepare(ctx context.Context, plan *Plan) error {
	i.Progress("applying service accounts and access rules")
	prerequisites := append([]*unstructured.Unstructured{namespaceObject()}, plan.Prerequisites...)
	if err := apply(ctx, i.client, prerequisites); err != nil {
		return err
	}
	if err := i.issueTokens(ctx, prerequisites); err != nil {
		return err
	}
	for _, spec := range plan.Processes {
		i.Progress("starting %s", spec.Name)
		if err := controlplane.Run(ctx, i.Env.Runner(), spec); err != nil {
			return err
		}
	}
	return nil
}

// ParkObjects puts objects of a form into the place of what is there, and of what anybody else wrote into it.
func (i *Installer) ParkObjects(ctx context.Context, objects []*unstructured.Unstructured) error {
	if err := takeOver(ctx, i.client, objects); err != nil {
		return err
	}
	return apply(ctx, i.client, objects)
}

// RemoveObjects deletes objects, the last one first, and waits until each is gone.
func (i *Installer) RemoveObjects(ctx context.Context, objects []*unstructured.Unstructured) error {
	return remove(ctx, i.client, objects)
}

// Dismiss stops a form's processes, the last one first, and takes away what only they needed.
func (i *Installer) Dismiss(ctx context.Context, plan *Plan) error {
	for _, spec := range slices.Backward(plan.Processes) {
		i.Progress("stopping %s", spec.Name)
		if err := i.stop(ctx, spec.Name); err != nil {
			return err
		}
	}
	return remove(ctx, i.client, plan.Prerequisites)
}

// RaiseHold has a policy refuse to delete a CustomResourceDefinition, and returns once it does. One that is not there yet
// may be made afterwards; to see that it is held then, call it again.
func (i *Installer) RaiseHold(ctx context.Context, crd *unstructured.Unstructured) error {
	return i.raiseHold(ctx, crd)
}

// LowerHold lets the CustomResourceDefinition be deleted again.
func (i *Installer) LowerHold(ctx context.Context) error { return i.lowerHold(ctx) }

// WaitServing waits until a form answers, and enforces its rules, as an installation of it does.
func (i *Installer) WaitServing(ctx context.Context, form Implementation, profile string, plan *Plan) error {
	return i.waitServing(ctx, form, profile, plan)
}

// WriteRecord keeps what is installed.
func (i *Installer) WriteRecord(ctx context.Context, form Implementation, profile string) error {
	return i.writeRecord(ctx, Record{Form: form.Name(), Profile: profile, Storage: form.Storage(profile)})
}

// Running is nil when every process of a plan runs.
func (i *Installer) Running(ctx context.Context, plan *Plan) error {
	for _, spec := range plan.Processes {
		status, err := process.Find(ctx, i.Env.Runner(), spec.Name)
		if err != nil {
			return err
		}
		if status.State != process.Running {
			return fmt.Errorf("%s is %s", spec.Name, status.State)
		}
	}
	return nil
}

// without are the objects that are not among others.
func without(objects, others []*unstructured.Unstructured) []*unstructured.Unstructured {
	known := sets.New[string]()
	for _, object := range others {
		known.Insert(describe(object))
	}
	return slices.DeleteFunc(slices.Clone(objects), func(o *unstructured.Unstructured) bool { return known.Has(describe(o)) })
}
