package node

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// runOnce runs a container to its end, such as that of a Job, and reports how it ended.
func (n *Node) runOnce(
	ctx context.Context, pod *corev1.Pod, container *corev1.Container, dir string, mounts, environment map[string]string,
) error {
	line := append(expand(container.Command, environment), expand(container.Args, environment)...)
	for i := range line {
		line[i] = inside(line[i], mounts)
	}
	command := exec.CommandContext(ctx, line[0], line[1:]...)
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+n.resolve(ctx, pod.Namespace, inside(value, mounts)))
	}
	logFile, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }() // it is for people who look at a failure
	command.Stdout, command.Stderr = logFile, logFile
	n.log("%s runs once, logs to %s", pod.Name, logFile.Name())
	phase := corev1.PodSucceeded
	var code int32
	if err := command.Run(); err != nil {
		n.log("%s failed: %v", pod.Name, err)
		phase, code = corev1.PodFailed, 1
	}
	n.setStatus(ctx, pod, func(s *corev1.PodStatus) {
		s.Phase = phase
		s.ContainerStatuses = []corev1.ContainerStatus{{
			Name: container.Name, Image: container.Image,
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, FinishedAt: metav1.Now()}},
		}}
	})
	return nil
}

// resolve is cluster DNS and kube-proxy: the name of a Service becomes the address of a pod behind it. Any other text
// stays what it is.
func (n *Node) resolve(ctx context.Context, namespace, text string) string {
	service, err := n.client.CoreV1().Services(namespace).Get(ctx, text, metav1.GetOptions{})
	if err != nil || len(service.Spec.Selector) == 0 {
		return text
	}
	pods, err := n.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.SelectorFromSet(service.Spec.Selector).String(),
	})
	if err != nil {
		return text
	}
	for _, pod := range pods.Items {
		if pod.Status.PodIP != "" && pod.DeletionTimestamp == nil {
			return pod.Status.PodIP
		}
	}
	return text
}
