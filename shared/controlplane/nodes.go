package controlplane

import (
	"context"
	"fmt"

	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"
	rbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	storagev1 "k8s.io/client-go/applyconfigurations/storage/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// kwokRole is the ClusterRole of kwok, and of its binding.
	kwokRole = "duet:kwok"
	// fakeNodeLabel is on every fake node, and nodePrefix begins its name.
	fakeNodeLabel = "duet.example.com/fake-node"
	nodePrefix    = "fake-"
	// FakeStorageClass is the default StorageClass of a control plane with fake nodes. Its volumes hold nothing, and grow.
	FakeStorageClass = "duet-fake"
	// FakeProvisioner is the provisioner and the driver of its volumes; another StorageClass may name it.
	FakeProvisioner = "volumes.duet.example.com"
)

// kwokRules are what the stages in kwok.yaml need, and no more.
func kwokRules() []*rbacv1.PolicyRuleApplyConfiguration {
	rule := func(resource string, verbs ...string) *rbacv1.PolicyRuleApplyConfiguration {
		return rbacv1.PolicyRule().WithAPIGroups("").WithResources(resource).WithVerbs(verbs...)
	}
	return []*rbacv1.PolicyRuleApplyConfiguration{
		rule("nodes", "get", "list", "watch"),
		rule("nodes/status", "patch"),
		rule("pods", "get", "list", "watch", "delete"),
		rule("pods/status", "patch"),
		rule("persistentvolumeclaims", "get", "list", "watch"),
		rule("persistentvolumeclaims/status", "patch"),
		rule("persistentvolumes", "get", "list", "watch", "create", "patch", "delete"),
	}
}

// prepareNodes makes the objects that fake nodes and their volumes need, and as many nodes as there are to be.
func (s *starter) prepareNodes(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", AdminKubeconfig(s.dir))
	if err != nil {
		return fmt.Errorf("could not read the administrator's kubeconfig: %w", err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("could not make the administrator's client: %w", err)
	}
	apply := metav1.ApplyOptions{FieldManager: "duet", Force: true}
	role := rbacv1.ClusterRole(kwokRole).WithRules(kwokRules()...)
	if _, err := client.RbacV1().ClusterRoles().Apply(ctx, role, apply); err != nil {
		return fmt.Errorf("could not grant kwok's rights: %w", err)
	}
	binding := rbacv1.ClusterRoleBinding(kwokRole).
		WithRoleRef(rbacv1.RoleRef().WithAPIGroup(rbac.GroupName).WithKind("ClusterRole").WithName(kwokRole)).
		WithSubjects(rbacv1.Subject().WithAPIGroup(rbac.GroupName).WithKind(rbac.UserKind).WithName(kwokUser))
	if _, err := client.RbacV1().ClusterRoleBindings().Apply(ctx, binding, apply); err != nil {
		return fmt.Errorf("could not grant kwok's rights: %w", err)
	}
	class := storagev1.StorageClass(FakeStorageClass).
		WithAnnotations(map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}).
		WithProvisioner(FakeProvisioner).WithAllowVolumeExpansion(true)
	if _, err := client.StorageV1().StorageClasses().Apply(ctx, class, apply); err != nil {
		return fmt.Errorf("could not make the StorageClass of fake volumes: %w", err)
	}
	// Otherwise kube-controller-manager waits for somebody to attach each volume.
	driver := storagev1.CSIDriver(FakeProvisioner).WithSpec(storagev1.CSIDriverSpec().WithAttachRequired(false))
	if _, err := client.StorageV1().CSIDrivers().Apply(ctx, driver, apply); err != nil {
		return fmt.Errorf("could not make the driver of fake volumes: %w", err)
	}
	return s.applyNodes(ctx, client, apply)
}

// applyNodes makes the fake nodes that are missing, and deletes those that are too many.
func (s *starter) applyNodes(ctx context.Context, client kubernetes.Interface, apply metav1.ApplyOptions) error {
	nodes := client.CoreV1().Nodes()
	wanted := sets.New[string]()
	for i := range s.state.Nodes {
		name := fmt.Sprintf("%s%d", nodePrefix, i)
		wanted.Insert(name)
		node := corev1.Node(name).
			WithAnnotations(map[string]string{fakeNodeAnnotation: "fake"}).
			WithLabels(map[string]string{fakeNodeLabel: "", "kubernetes.io/hostname": name})
		if _, err := nodes.Apply(ctx, node, apply); err != nil {
			return fmt.Errorf("could not make node %s: %w", name, err)
		}
	}
	present, err := nodes.List(ctx, metav1.ListOptions{LabelSelector: fakeNodeLabel})
	if err != nil {
		return fmt.Errorf("could not list the fake nodes: %w", err)
	}
	for _, node := range present.Items {
		if wanted.Has(node.Name) {
			continue
		}
		if err := nodes.Delete(ctx, node.Name, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("could not delete node %s: %w", node.Name, err)
		}
	}
	return nil
}
