package install

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
)

// Uninstalled is what an uninstallation did and what it left.
type Uninstalled struct {
	// Form that was taken away; empty when none was installed.
	Form string `json:"form,omitempty"`
	// Deleted objects of the API.
	Deleted int `json:"deleted"`
	// Stays lists what is still there, one sentence each.
	Stays []string `json:"stays,omitempty"`
}

// Uninstall takes the installed form away. It never deletes an object of the API unless deleteData says so: without
// it the objects stay in storage, protected by the hold, until a form is installed again.
func (i *Installer) Uninstall(ctx context.Context, deleteData bool) (Uninstalled, error) {
	release, err := i.Lock()
	if err != nil {
		return Uninstalled{}, err
	}
	defer release()
	if err := i.midSwitch(ctx); err != nil {
		return Uninstalled{}, err
	}
	record, err := ReadRecord(ctx, i.client)
	if err != nil {
		return Uninstalled{}, err
	}
	detected, err := Detect(ctx, i.client)
	if err != nil {
		return Uninstalled{}, err
	}
	if detected.Form == "" {
		return i.uninstallNothing(detected, record, deleteData)
	}
	form, err := i.Forms.Named(detected.Form)
	if err != nil {
		return Uninstalled{}, err
	}
	profile, err := ServingProfile(form, record, nil)
	if err != nil {
		return Uninstalled{}, err
	}
	plan, err := i.Env.Plan(ctx, form, profile)
	if err != nil {
		return Uninstalled{}, err
	}
	controller, err := controllerPlan(i.Env)
	if err != nil {
		return Uninstalled{}, err
	}

	result := Uninstalled{Form: form.Name()}
	instances, err := i.instances(ctx)
	if err != nil {
		return result, err
	}
	objects := len(instances)
	park := form.Park(plan)
	if deleteData {
		i.Progress("deleting %d objects", objects)
		if err := i.deleteObjects(ctx); err != nil {
			return result, err
		}
		result.Deleted, park = objects, nil
	}
	i.Progress("stopping the controller")
	if err := i.StopController(ctx); err != nil {
		return result, err
	}
	if !deleteData {
		i.Progress("parking the children of %d objects", objects)
		children, err := i.ParkChildren(ctx)
		if err != nil {
			return result, err
		}
		result.Stays = append(result.Stays,
			fmt.Sprintf("%d objects in %s", objects, form.Storage(profile)),
			fmt.Sprintf("their %d children, without owner references until a form is installed", children))
	}
	i.Progress("taking the API away")
	for _, object := range park {
		if err := i.raiseHold(ctx, object); err != nil {
			return result, err
		}
	}
	if err := i.ParkObjects(ctx, park); err != nil {
		return result, err
	}
	for _, object := range park {
		if err := i.Withdraw(ctx, object, func(context.Context) error {
			return i.Undocumented(form.Versions(profile)...)
		}); err != nil {
			return result, err
		}
		result.Stays = append(result.Stays, describe(object)+", which serves nothing and may not be deleted (policy "+holdName+")")
	}
	if err := i.RemoveObjects(ctx, without(plan.Objects, park)); err != nil {
		return result, err
	}
	if err := i.Dismiss(ctx, &Plan{
		Prerequisites: slices.Concat(plan.Prerequisites, controller.Prerequisites), Processes: plan.Processes,
	}); err != nil {
		return result, err
	}
	if !deleteData {
		result.Stays = append(result.Stays, "namespace "+Namespace+", with the record of what was installed")
		return result, nil
	}
	return result, i.forget(ctx)
}

// forget removes what earlier uninstallations left, once there are no objects that it would protect.
func (i *Installer) forget(ctx context.Context) error {
	if err := i.lowerHold(ctx); err != nil {
		return err
	}
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(crdGVK)
	crd.SetName(Resource.GroupResource().String())
	return remove(ctx, i.client, []*unstructured.Unstructured{namespaceObject(), crd})
}

func (i *Installer) uninstallNothing(detected Detected, record Record, deleteData bool) (Uninstalled, error) {
	if deleteData && record.Form != "" {
		return Uninstalled{}, fmt.Errorf("no form is installed, so the stored objects cannot be deleted one by one, with their "+
			"children: run `duet install --impl %s`, then `duet uninstall --delete-data`", record.Form)
	}
	if record.Form != "" {
		return Uninstalled{Stays: []string{fmt.Sprintf("what %s stored in %s", record.Form, record.Storage)}}, nil
	}
	if detected.Foreign != "" {
		return Uninstalled{}, fmt.Errorf("service %s serves %s, which Duet did not install: it is left alone", detected.Foreign, Group)
	}
	return Uninstalled{}, nil
}

// instances are the metadata of every object of the API.
func (i *Installer) instances(ctx context.Context) ([]metav1.PartialObjectMetadata, error) {
	list, err := i.metadata.Resource(Resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("could not list the stored objects: %w", err)
	}
	return list.Items, nil
}

// deleteObjects deletes every object and waits until the controller has let go of the last one. It deletes in the
// foreground: the garbage collector looks for new kinds every 30 s, and one that had not yet seen this kind, or no
// longer sees it because the API is taken away next, would leave the children behind.
func (i *Installer) deleteObjects(ctx context.Context) error {
	return poll(ctx, 2*time.Minute, "the objects to go (their finalizers need the controller: `duet components` shows whether it runs)",
		func(ctx context.Context) error {
			instances, err := i.instances(ctx)
			if err != nil {
				return err
			}
			for _, item := range instances {
				if item.DeletionTimestamp != nil {
					continue
				}
				err := i.metadata.Resource(Resource).Namespace(item.Namespace).Delete(ctx, item.Name, metav1.DeleteOptions{
					PropagationPolicy: ptr.To(metav1.DeletePropagationForeground),
				})
				if err != nil {
					return err
				}
			}
			if len(instances) > 0 {
				return fmt.Errorf("%d objects are still there, %s/%s first", len(instances), instances[0].Namespace, instances[0].Name)
			}
			return nil
		})
}
