package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/duet-api/duet/shared/names"
	"github.com/duet-api/duet/shared/process"
)

// run runs a pod until its context ends, and then lets it go. A pod of a server runs for ever, any other one once.
func (n *Node) run(ctx context.Context, pod *corev1.Pod) {
	background := context.WithoutCancel(ctx)
	dir, err := n.podDir(pod)
	if err != nil {
		n.log("%s: %v", pod.Name, err)
		return
	}
	container := &pod.Spec.Containers[0]
	var mounts map[string]string
	detach := func() {}
	// A claim is bound, and a Secret is made, while the pod waits.
	_ = wait.PollUntilContextCancel(ctx, look, true, func(ctx context.Context) (bool, error) {
		var err error
		mounts, detach, err = n.mounts(ctx, pod, container, dir)
		return err == nil, nil
	})
	defer func() { detach() }()
	if ctx.Err() == nil {
		environment, err := n.environment(ctx, pod, container)
		switch {
		case err != nil:
		case container.Name == names.ServerContainer && pod.Spec.RestartPolicy == corev1.RestartPolicyAlways:
			err = n.serve(ctx, pod, container, dir, mounts, environment)
		default:
			err = n.runOnce(ctx, pod, container, dir, mounts, environment)
			// What has ended has no use for its volumes, and others may.
			detach()
			detach = func() {}
		}
		n.complain(ctx, "run pod "+pod.Name, err)
	}
	<-ctx.Done()
	live, err := n.client.CoreV1().Pods(pod.Namespace).Get(background, pod.Name, metav1.GetOptions{})
	if err == nil && live.UID == pod.UID && live.DeletionTimestamp != nil {
		n.complain(background, "let go of pod "+pod.Name, n.release(background, pod))
	}
}

// environment of a container, by name.
func (n *Node) environment(
	ctx context.Context, pod *corev1.Pod, container *corev1.Container,
) (map[string]string, error) {
	environment := map[string]string{"HOSTNAME": pod.Name}
	for _, variable := range container.Env {
		value := variable.Value
		switch from := variable.ValueFrom; {
		case from == nil:
		case from.SecretKeyRef != nil:
			secret, err := n.client.CoreV1().Secrets(pod.Namespace).Get(ctx, from.SecretKeyRef.Name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			value = string(secret.Data[from.SecretKeyRef.Key])
		case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.name":
			value = pod.Name
		case from.FieldRef != nil:
			label := strings.TrimSuffix(strings.TrimPrefix(from.FieldRef.FieldPath, "metadata.labels['"), "']")
			value = pod.Labels[label]
		}
		environment[variable.Name] = value
	}
	return environment, nil
}

// expand puts variables into arguments, as a kubelet does.
func expand(arguments []string, environment map[string]string) []string {
	expanded := make([]string, len(arguments))
	for i, argument := range arguments {
		for name, value := range environment {
			argument = strings.ReplaceAll(argument, "$("+name+")", value)
		}
		expanded[i] = argument
	}
	return expanded
}

// inside replaces the paths of a container by those of this machine, the longest first.
func inside(text string, paths map[string]string) string {
	ordered := make([]string, 0, len(paths))
	for path := range paths {
		ordered = append(ordered, path)
	}
	slices.SortFunc(ordered, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, path := range ordered {
		pairs = append(pairs, path, paths[path])
	}
	// At once, so that what was put in is not replaced again.
	return strings.NewReplacer(pairs...).Replace(text)
}

// serve runs a server, and starts it again whenever it ends, until the context ends.
func (n *Node) serve(
	ctx context.Context, pod *corev1.Pod, container *corev1.Container, dir string, mounts, environment map[string]string,
) error {
	const dataMount, configMount = "/var/lib/mysql", "/etc/mysql/conf.d"
	data := filepath.Join(mounts[dataMount], "data")
	var initFile []string
	made := filepath.Join(mounts[dataMount], "made")
	if _, err := os.Stat(made); err != nil {
		// One that was interrupted begins anew.
		if err := os.RemoveAll(data); err != nil {
			return err
		}
		if err := os.MkdirAll(data, 0o755); err != nil {
			return err
		}
		file, err := n.program.makeData(ctx, data, mounts[dataMount], environment["MYSQL_ROOT_PASSWORD"])
		if err != nil {
			return err
		}
		initFile = []string{"--init-file=" + file}
	}
	address := n.address()
	content, err := n.optionFileOf(ctx, pod, mounts[configMount])
	if err != nil {
		return err
	}
	// Its path ends as in the container.
	file := filepath.Join(dir, filepath.Base(configMount), "my.cnf")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(n.program.optionFile(content, mounts)), 0o644); err != nil {
		return err
	}
	args := append(n.program.args(file, data, dir, address), expand(container.Args, environment)...)
	name := Process(pod)
	n.log("%s is %s at %s", pod.Name, name, address)
	spec := process.Spec{Name: name, Path: n.program.path, Args: append(args, initFile...)}
	if err := n.runner.Run(ctx, spec); err != nil {
		return err
	}
	// Gracefully, and not within the time of a context that has ended.
	defer func() { _ = n.runner.Stop(context.WithoutCancel(ctx), name) }()
	for restarts := int32(0); ctx.Err() == nil; restarts++ {
		n.report(ctx, pod, address, restarts, false)
		n.awaitAnswer(ctx, pod, name, address, restarts, made)
		n.awaitEnd(ctx, name)
		if ctx.Err() != nil {
			break
		}
		n.log("%s has ended and is started again", pod.Name)
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		if content, err = n.optionFileOf(ctx, pod, mounts[configMount]); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(n.program.optionFile(content, mounts)), 0o644); err != nil {
			return err
		}
		if err := n.runner.Restart(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// backoff before a server that ended is started again.
const backoff = time.Second

// Process is the name of a pod's process at the runner of the control plane.
func Process(pod *corev1.Pod) string { return pod.Name + "-" + string(pod.UID)[:8] }

// runs says whether a process has not ended.
func (n *Node) runs(ctx context.Context, name string) bool {
	status, err := process.Find(ctx, n.runner, name)
	return err == nil && status.State != process.Exited
}

func (n *Node) awaitEnd(ctx context.Context, name string) {
	_ = wait.PollUntilContextCancel(ctx, look, true, func(ctx context.Context) (bool, error) {
		return !n.runs(ctx, name), nil
	})
}

// awaitAnswer waits until a server answers, and reports it as ready. It gives up when the server ends.
func (n *Node) awaitAnswer(ctx context.Context, pod *corev1.Pod, name, address string, restarts int32, made string) {
	_ = wait.PollUntilContextCancel(ctx, look, true, func(ctx context.Context) (bool, error) {
		if !n.runs(ctx, name) {
			return true, nil
		}
		if !answers(ctx, address) {
			return false, nil
		}
		n.complain(ctx, "remember that the data is made", errors.Join(
			os.WriteFile(made, nil, 0o644),
			// It must not set the password again when the server is started again.
			os.WriteFile(filepath.Join(filepath.Dir(made), initFileName), nil, 0o600)))
		n.report(ctx, pod, address, restarts, true)
		return true, nil
	})
}

// optionFileOf reads the ConfigMap anew, as a kubelet keeps the files of a running pod.
func (n *Node) optionFileOf(ctx context.Context, pod *corev1.Pod, path string) (string, error) {
	for i := range pod.Spec.Volumes {
		if volume := &pod.Spec.Volumes[i]; volume.ConfigMap != nil {
			if err := n.writeOut(ctx, pod.Namespace, volume, path); err != nil {
				return "", err
			}
		}
	}
	content, err := os.ReadFile(filepath.Join(path, "my.cnf"))
	return string(content), err
}

// answers is what `mysqladmin ping` asks: a server that refuses the user is alive.
func answers(ctx context.Context, address string) bool {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(address, fmt.Sprint(names.ServerPort))
	config.User, config.Timeout, config.ReadTimeout = "ping", time.Second, time.Second
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return false
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }() // it was for one question
	err = db.PingContext(ctx)
	var answer *mysql.MySQLError
	return err == nil || errors.As(err, &answer)
}

// report writes the status of a server's pod.
func (n *Node) report(ctx context.Context, pod *corev1.Pod, address string, restarts int32, ready bool) {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	n.setStatus(ctx, pod, func(s *corev1.PodStatus) {
		s.Phase, s.PodIP, s.PodIPs = corev1.PodRunning, address, []corev1.PodIP{{IP: address}}
		now := metav1.Now()
		s.StartTime = &now
		s.Conditions = nil
		for kind, value := range map[corev1.PodConditionType]corev1.ConditionStatus{
			corev1.PodScheduled: corev1.ConditionTrue, corev1.PodInitialized: corev1.ConditionTrue,
			corev1.ContainersReady: status, corev1.PodReady: status,
		} {
			s.Conditions = append(s.Conditions, corev1.PodCondition{Type: kind, Status: value, LastTransitionTime: now})
		}
		s.ContainerStatuses = []corev1.ContainerStatus{{
			Name: pod.Spec.Containers[0].Name, Image: pod.Spec.Containers[0].Image, Ready: ready, Started: &ready,
			RestartCount: restarts,
			State:        corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		}}
	})
}

func (n *Node) setStatus(ctx context.Context, pod *corev1.Pod, change func(*corev1.PodStatus)) {
	err := wait.PollUntilContextCancel(ctx, look, true, func(ctx context.Context) (bool, error) {
		live, err := n.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil || live.UID != pod.UID {
			return true, err
		}
		change(&live.Status)
		// Somebody who wrote in between is written over at the next attempt.
		_, err = n.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, live, metav1.UpdateOptions{})
		return err == nil, nil
	})
	n.complain(ctx, "write the status of pod "+pod.Name, err)
}
