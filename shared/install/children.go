package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// While no form serves the group, its objects answer 404, and the garbage collector takes 404 for "the owner is gone":
// it deletes StatefulSets, Secrets and volumes. (A server that is down answers 503, which is safe.) Refusing its deletes
// for as long as that lasts is not enough. It remembers absent owners by UID for the life of its process, tries again,
// and deletes the children once nothing refuses any more, although their owner is back: this was tried.
//
// So before a form goes, its children are parked: their owner references move into an annotation, where the garbage
// collector does not look. When a form serves again, they move back.
const (
	parkedLabel      = Group + "/parked"
	parkedAnnotation = Group + "/parked-owners"
)

// ParkChildren takes the owner references to objects of the group off every object in the cluster, and returns how
// many objects had one.
func (i *Installer) ParkChildren(ctx context.Context) (int, error) {
	return i.parkChildren(ctx, func(*metav1.PartialObjectMetadata, metav1.OwnerReference) bool { return true })
}

// ParkChildrenOfLiving does so where nobody may make or delete an instance meanwhile: what refers to one that is not there is
// left as it is, for the garbage collector, which would never collect it once it had no owner.
func (i *Installer) ParkChildrenOfLiving(ctx context.Context) (int, error) {
	instances, err := i.instances(ctx)
	if err != nil {
		return 0, err
	}
	return i.parkChildren(ctx, living(instances))
}

// living says of an owner whether it is among these instances.
func living(instances []metav1.PartialObjectMetadata) func(*metav1.PartialObjectMetadata, metav1.OwnerReference) bool {
	there := heirs(instances)
	return func(child *metav1.PartialObjectMetadata, owner metav1.OwnerReference) bool {
		_, present := there[identity{child.Namespace, owner.Name, owner.UID}]
		return present
	}
}

func (i *Installer) parkChildren(ctx context.Context, parks func(*metav1.PartialObjectMetadata, metav1.OwnerReference) bool) (int, error) {
	return i.eachOwned(ctx, metav1.ListOptions{}, func(child *metav1.PartialObjectMetadata) (map[string]any, error) {
		parked, others := split(child, parks)
		if len(parked) == 0 {
			return nil, nil
		}
		text, err := json.Marshal(parked)
		if err != nil {
			return nil, err
		}
		return map[string]any{
			"ownerReferences": others,
			"labels":          map[string]any{parkedLabel: "true"},
			"annotations":     map[string]any{parkedAnnotation: string(text)},
		}, nil
	})
}

// split the owners of a child into those that are parked and the others.
func split(child *metav1.PartialObjectMetadata, parks func(*metav1.PartialObjectMetadata, metav1.OwnerReference) bool) (
	parked, others []metav1.OwnerReference,
) {
	for _, owner := range child.OwnerReferences {
		if strings.HasPrefix(owner.APIVersion, Group+"/") && parks(child, owner) {
			parked = append(parked, owner)
		} else {
			others = append(others, owner)
		}
	}
	return parked, others
}

// UnparkChildren puts the owner references back whose owners are there, and returns how many objects got one. An owner
// that a switch has made anew, with another UID, is there as well: its children become those of the new one. An object
// whose owner has gone meanwhile keeps none: giving it one would be deleting it.
func (i *Installer) UnparkChildren(ctx context.Context) (int, error) {
	instances, err := i.instances(ctx)
	if err != nil {
		return 0, err
	}
	there := heirs(instances)
	return i.eachOwned(ctx, metav1.ListOptions{LabelSelector: parkedLabel}, func(child *metav1.PartialObjectMetadata) (map[string]any, error) {
		text, ok := child.Annotations[parkedAnnotation]
		if !ok {
			return nil, nil // The label was copied, as Services hand theirs to their Endpoints.
		}
		var parked []metav1.OwnerReference
		if err := json.Unmarshal([]byte(text), &parked); err != nil {
			return nil, fmt.Errorf("annotation %s does not hold owner references: %w", parkedAnnotation, err)
		}
		return map[string]any{
			"ownerReferences": adopted(child, parked, there),
			"labels":          map[string]any{parkedLabel: nil},
			"annotations":     map[string]any{parkedAnnotation: nil},
		}, nil
	})
}

// identity of an owner, as its children know it.
type identity struct {
	namespace, name string
	uid             types.UID
}

// heirs are the UIDs that owners have now, by every identity that their children may know them by. The name belongs to
// it, so that nobody can claim another one's children by an annotation.
func heirs(instances []metav1.PartialObjectMetadata) map[identity]types.UID {
	found := map[identity]types.UID{}
	for _, instance := range instances {
		known := identity{instance.Namespace, instance.Name, instance.UID}
		found[known] = instance.UID
		if previous := instance.Annotations[v1.AnnotationPreviousUID]; previous != "" {
			known.uid = types.UID(previous)
			found[known] = instance.UID
		}
	}
	return found
}

// adopted are the owners of a child with those that were parked, as far as they are there.
func adopted(child *metav1.PartialObjectMetadata, parked []metav1.OwnerReference, there map[identity]types.UID) []metav1.OwnerReference {
	owners := slices.Clone(child.OwnerReferences)
	for _, owner := range parked {
		uid, present := there[identity{child.Namespace, owner.Name, owner.UID}]
		owner.UID = uid
		known := slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return o.UID == uid })
		if present && !known {
			owners = append(owners, owner)
		}
	}
	return owners
}

// changers is how many objects are changed at a time.
const changers = 16

// eachOwned asks for a change of the metadata of every object in the cluster that could have an owner, and merges what
// it gets. It returns how many objects were changed.
func (i *Installer) eachOwned(ctx context.Context, options metav1.ListOptions,
	change func(*metav1.PartialObjectMetadata) (map[string]any, error)) (int, error) {
	resources, err := i.ownable()
	if err != nil {
		return 0, err
	}
	pace := NewPace(i.Progress, 0, "children have their owners changed")
	for _, resource := range resources {
		of := i.metadata.Resource(resource)
		for {
			before := pace.Count()
			err := eachListed(ctx, of, options, change, pace)
			// A list goes on for five minutes; what was changed until then is not in the way of another.
			if apierrors.IsResourceExpired(err) && pace.Count() > before {
				continue
			}
			if err != nil {
				return int(pace.Count()), fmt.Errorf("could not change the owners of %s: %w", resource.GroupResource(), err)
			}
			break
		}
	}
	return int(pace.Count()), nil
}

// eachListed does so for the objects of a resource.
func eachListed(ctx context.Context, of metadata.Getter, options metav1.ListOptions,
	change func(*metav1.PartialObjectMetadata) (map[string]any, error), pace *Pace) error {
	changes, ctx := errgroup.WithContext(ctx)
	changes.SetLimit(changers)
	err := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return of.List(ctx, options)
	}).EachListItem(ctx, options, func(item runtime.Object) error {
		child := item.(*metav1.PartialObjectMetadata)
		merge, err := change(child)
		if err != nil || merge == nil {
			return err
		}
		changes.Go(func() error {
			if err := mergeMetadata(ctx, of.Namespace(child.Namespace), child, change); err != nil {
				return err
			}
			pace.Done()
			return nil
		})
		return nil
	})
	if failed := changes.Wait(); failed != nil {
		return failed // A list that was not read to its end because of it says less.
	}
	return err
}

// mergeMetadata changes an object as it is now, or not at all. It is as it was seen, as a rule, and is read anew if not.
func mergeMetadata(ctx context.Context, objects metadata.ResourceInterface, seen *metav1.PartialObjectMetadata,
	change func(*metav1.PartialObjectMetadata) (map[string]any, error)) error {
	current := seen
	return client.IgnoreNotFound(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var err error
		if current == nil {
			if current, err = objects.Get(ctx, seen.Name, metav1.GetOptions{}); err != nil {
				return err
			}
		}
		merge, err := change(current)
		if err != nil || merge == nil {
			return err
		}
		merge["resourceVersion"] = current.ResourceVersion
		patch, err := json.Marshal(map[string]any{"metadata": merge})
		if err != nil {
			return err
		}
		current = nil
		_, err = objects.Patch(ctx, seen.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
		return err
	}))
}

// SeesChildren is nil when every object in the cluster can be found that may have an owner.
func (i *Installer) SeesChildren() error {
	_, err := i.ownable()
	return err
}

// ownable are the resources whose objects can be listed and changed, without the group's own. It fails when the
// discovery of any group fails: a child that is not seen would be lost.
func (i *Installer) ownable() ([]schema.GroupVersionResource, error) {
	discover, err := discovery.NewDiscoveryClientForConfig(i.Env.Config())
	if err != nil {
		return nil, err
	}
	lists, err := discover.ServerPreferredResources()
	if err != nil {
		return nil, errors.Join(errors.New("could not find out which resources there are: mend the servers of these groups, or "+
			"delete their APIServices"), err)
	}
	var resources []schema.GroupVersionResource
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "patch", "delete"}}, lists) {
		groupVersion, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		if groupVersion.Group == Group {
			continue
		}
		for _, resource := range list.APIResources {
			resources = append(resources, groupVersion.WithResource(resource.Name))
		}
	}
	return resources, nil
}
