package switching

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/install"
)

// keptMetadata is what an object that is made anew gets from the one that it follows. The rest is the server's to give.
var keptMetadata = []string{"name", "generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences"}

// successor is what an object is made anew from: everything that a user may say of it, and the UID that it had. It has
// no status, which a create does not take.
func successor(of *unstructured.Unstructured) *unstructured.Unstructured {
	object := of.DeepCopy()
	delete(object.Object, "status")
	object.Object["metadata"] = metadataOf(of)
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1.AnnotationPreviousUID] = string(of.GetUID())
	object.SetAnnotations(annotations)
	return object
}

// metadataOf an object, without what is the server's.
func metadataOf(object *unstructured.Unstructured) map[string]any {
	metadata, _ := object.DeepCopy().Object["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, field := range keptMetadata {
		if value, ok := metadata[field]; ok {
			kept[field] = value
		}
	}
	return kept
}

// statusFor is the status of an object, for the one that follows it. It says of the generation that it is about, and that
// counts anew: whoever waits until the newest generation was observed must neither wait for ever nor too short.
func statusFor(follower, of *unstructured.Unstructured) map[string]any {
	status, found, _ := unstructured.NestedMap(of.Object, "status")
	if !found {
		return nil
	}
	offset := of.GetGeneration() - follower.GetGeneration()
	translate(status, offset)
	conditions, _ := status["conditions"].([]any)
	for _, condition := range conditions {
		if condition, ok := condition.(map[string]any); ok {
			translate(condition, offset)
		}
	}
	return status
}

func translate(in map[string]any, offset int64) {
	if observed, ok := in["observedGeneration"].(int64); ok {
		in["observedGeneration"] = max(0, observed-offset)
	}
}

// unlike are what makes an object another than the one that it was made from: paths in it.
func unlike(original, follower *unstructured.Unstructured) []string {
	want, got := successor(original), follower.DeepCopy()
	if status := statusFor(follower, original); status != nil {
		want.Object["status"] = status
	}
	got.Object["metadata"] = metadataOf(follower)
	want.SetAPIVersion(install.Resource.GroupVersion().String())
	got.SetAPIVersion(install.Resource.GroupVersion().String()) // That of the request.
	paths := lost(want.Object, got.Object, "")
	// Defaults may have come, but nobody may have added a label or a finalizer.
	for _, path := range lost(got.Object["metadata"], want.Object["metadata"], ".metadata") {
		paths = append(paths, path+" (added)")
	}
	return paths
}

// follows says whether an object was made from another, whatever became of it.
func follows(follower, original *unstructured.Unstructured) bool {
	return follower.GetAnnotations()[v1.AnnotationPreviousUID] == string(original.GetUID()) &&
		follower.GetDeletionTimestamp() == nil
}

// plan of an import: which of the objects that are there are taken away, and which are made, by namespace and name. What
// was made from the original by a run that was interrupted, is like it, and newer than a revision, stays.
func plan(originals, there map[string]*unstructured.Unstructured, after int64) (surplus, missing []string) {
	stays := func(key string) bool {
		original, follower := originals[key], there[key]
		return original != nil && follower != nil && follows(follower, original) && len(unlike(original, follower)) == 0 &&
			newerThan(follower, after)
	}
	for _, key := range sortedKeys(there) {
		if !stays(key) {
			surplus = append(surplus, key)
		}
	}
	for _, key := range sortedKeys(originals) {
		if !stays(key) {
			missing = append(missing, key)
		}
	}
	return surplus, missing
}

// newerThan says whether an object was written after a revision.
func newerThan(object *unstructured.Unstructured, revision int64) bool {
	at, err := strconv.ParseInt(object.GetResourceVersion(), 10, 64)
	return err == nil && at > revision
}

// unmoved are the differences between all objects and those that were made from them.
func unmoved(originals, there map[string]*unstructured.Unstructured) []string {
	var found []string
	for _, key := range sortedKeys(originals) {
		follower := there[key]
		switch {
		case follower == nil:
			found = append(found, key+" is not there")
			continue
		case !follows(follower, originals[key]):
			found = append(found, key+" was not made from the one that there is")
			continue
		}
		for _, path := range unlike(originals[key], follower) {
			found = append(found, key+" differs in "+path)
		}
	}
	for _, key := range sortedKeys(there) {
		if originals[key] == nil {
			found = append(found, key+" is one too many")
		}
	}
	return found
}
