package install

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// garbageCollector is who deletes the children of owners that are gone, on a kube-controller-manager whose controllers
// have service accounts of their own.
const garbageCollector = "system:serviceaccount:kube-system:generic-garbage-collector"

// hold is the policy that protects stored objects and their children while no form serves the group.
//
// Two things would destroy them. Deleting the CustomResourceDefinition deletes what is stored below its keys, straight
// in etcd. And while the group answers 404, the garbage collector takes every owner for gone and deletes StatefulSets,
// Secrets and volumes. (A server that is down answers 503, which is safe.) So while an installation is parked, both
// deletes are refused; the next installation lifts the hold once a real LIST has answered.
func hold() []*unstructured.Unstructured {
	return []*unstructured.Unstructured{
		policy("duet-hold-crd", map[string]any{
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{crdGVK.Group}, "apiVersions": []any{"*"},
				"operations": []any{"DELETE"}, "resources": []any{"customresourcedefinitions"},
				"resourceNames": []any{Resource.GroupResource().String()},
			}}},
			"validations": []any{map[string]any{
				"expression": "false",
				"message": "deleting this CustomResourceDefinition deletes every MySQLInstance that is stored; " +
					"`duet uninstall --delete-data` is the way to mean it",
			}},
		}),
		binding("duet-hold-crd"),
		policy("duet-hold-children", map[string]any{
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{"*"}, "apiVersions": []any{"*"},
				"operations": []any{"DELETE"}, "resources": []any{"*"},
			}}},
			"matchConditions": []any{
				map[string]any{
					"name":       "garbage-collector",
					"expression": `request.userInfo.username == "` + garbageCollector + `"`,
				},
				map[string]any{
					"name": "child-of-a-mysqlinstance",
					"expression": `oldObject != null && has(oldObject.metadata.ownerReferences) && ` +
						`oldObject.metadata.ownerReferences.exists(o, o.apiVersion.startsWith("` + Group + `/"))`,
				},
			},
			"validations": []any{map[string]any{
				"expression": "false",
				"message":    "no form of " + Group + " is installed, so this object's owner cannot be seen, but it is stored",
			}},
		}),
		binding("duet-hold-children"),
	}
}

func policy(name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
		"metadata": map[string]any{"name": name}, "spec": spec,
	}}
}

func binding(policy string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
		"metadata": map[string]any{"name": policy},
		"spec":     map[string]any{"policyName": policy, "validationActions": []any{"Deny"}},
	}}
}

// raiseHold applies the hold and waits until it is enforced: a policy takes effect some moments after it is written,
// and the garbage collector needs fewer.
func (i *Installer) raiseHold(ctx context.Context) error {
	if err := apply(ctx, i.client, hold()); err != nil {
		return fmt.Errorf("could not raise the hold on stored objects: %w", err)
	}
	asCollector := i.Env.Config()
	asCollector.Impersonate.UserName = garbageCollector
	collector, err := client.New(asCollector, client.Options{})
	if err != nil {
		return err
	}
	canary := holdCanary()
	err = poll(ctx, time.Minute, "the hold on stored objects to be enforced", func(ctx context.Context) error {
		if err := apply(ctx, i.client, []*unstructured.Unstructured{canary}); err != nil {
			return err
		}
		err := collector.Delete(ctx, canary.DeepCopy(), client.DryRunAll)
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), "duet-hold-children") {
			return nil
		}
		return fmt.Errorf("the garbage collector may still delete (it was answered: %v)", err)
	})
	if err != nil {
		return err
	}
	return remove(ctx, i.client, []*unstructured.Unstructured{canary})
}

// lowerHold lets deletes through again.
func (i *Installer) lowerHold(ctx context.Context) error {
	return remove(ctx, i.client, hold())
}

// holdCanary is what the garbage collector would delete if the hold were not enforced: the child of an owner that is
// not there.
func holdCanary() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": "duet-hold-canary", "namespace": Namespace,
			"ownerReferences": []any{map[string]any{
				"apiVersion": Resource.GroupVersion().String(), "kind": "MySQLInstance",
				"name": "duet-hold-canary", "uid": "00000000-0000-0000-0000-000000000000",
			}},
		},
	}}
}
