package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// bindClaims makes a volume for each claim that has none; kube-controller-manager binds the two.
func (n *Node) bindClaims(ctx context.Context) error {
	claims, err := n.client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range claims.Items {
		claim := &claims.Items[i]
		if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
			continue
		}
		class := ""
		if claim.Spec.StorageClassName != nil {
			class = *claim.Spec.StorageClassName
		}
		volume := &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: "volume-" + string(claim.UID)},
			Spec: corev1.PersistentVolumeSpec{
				Capacity:         claim.Spec.Resources.Requests,
				AccessModes:      claim.Spec.AccessModes,
				StorageClassName: class,
				PersistentVolumeSource: corev1.PersistentVolumeSource{
					HostPath: &corev1.HostPathVolumeSource{Path: n.volumeDir(claim.UID)},
				},
				ClaimRef: &corev1.ObjectReference{
					Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
				},
				PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			},
		}
		_, err := n.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("could not make a volume for %s: %w", claim.Name, err)
		}
	}
	return nil
}

func (n *Node) volumeDir(claim types.UID) string {
	return filepath.Join(n.dir, "volumes", string(claim))
}

// attach waits for its turn on a claim's volume, which the server of an earlier pod may still write to, and returns the
// directory and a function to give it back.
func (n *Node) attach(claim types.UID) (dir string, detach func(), err error) {
	n.mutex.Lock()
	turn := n.volumes[claim]
	if turn == nil {
		turn = &sync.Mutex{}
		n.volumes[claim] = turn
	}
	n.mutex.Unlock()
	turn.Lock()
	dir = n.volumeDir(claim)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		turn.Unlock()
		return "", nil, err
	}
	return dir, turn.Unlock, nil
}

// mounts are the directories in the place of a container's, by path in the container. Claims are the node's, ConfigMaps
// and Secrets are written out, and everything else is an empty directory of the pod.
func (n *Node) mounts(ctx context.Context, pod *corev1.Pod, container *corev1.Container, dir string) (
	mounts map[string]string, detach func(), err error,
) {
	mounts = map[string]string{}
	var detaches []func()
	detach = func() {
		for _, d := range detaches {
			d()
		}
	}
	defer func() {
		if err != nil {
			detach()
		}
	}()
	for _, mount := range container.VolumeMounts {
		for i := range pod.Spec.Volumes {
			volume := &pod.Spec.Volumes[i]
			if volume.Name != mount.Name {
				continue
			}
			if volume.PersistentVolumeClaim != nil {
				claim, err := n.boundClaim(ctx, pod.Namespace, volume.PersistentVolumeClaim.ClaimName)
				if err != nil {
					return nil, detach, err
				}
				path, release, err := n.attach(claim.UID)
				if err != nil {
					return nil, detach, err
				}
				detaches = append(detaches, release)
				mounts[mount.MountPath] = path
				continue
			}
			path := filepath.Join(dir, "mounts", volume.Name)
			if err := n.writeOut(ctx, pod.Namespace, volume, path); err != nil {
				return nil, detach, err
			}
			mounts[mount.MountPath] = path
		}
	}
	return mounts, detach, nil
}

func (n *Node) boundClaim(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
	claim, err := n.client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if claim.Status.Phase != corev1.ClaimBound {
		return nil, fmt.Errorf("claim %s is not bound yet", name)
	}
	return claim, nil
}

func (n *Node) writeOut(ctx context.Context, namespace string, volume *corev1.Volume, path string) error {
	files := map[string][]byte{}
	switch {
	case volume.ConfigMap != nil:
		found, err := n.client.CoreV1().ConfigMaps(namespace).Get(ctx, volume.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for name, content := range found.Data {
			files[name] = []byte(content)
		}
	case volume.Secret != nil:
		found, err := n.client.CoreV1().Secrets(namespace).Get(ctx, volume.Secret.SecretName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		files = found.Data
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(path, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
