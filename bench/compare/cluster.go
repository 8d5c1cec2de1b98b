package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/duet-api/duet/bench"
	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/lineup"
	"github.com/duet-api/duet/bench/report"
	"github.com/duet-api/duet/e2e/behaviour"
)

// spare is what a run may take beside its cells: filling, cleaning up, and slow answers.
const spare = time.Hour

// notOnCluster is what a run measures on control planes of its own, and cannot on a cluster that somebody else runs.
var notOnCluster = []report.Absence{
	{What: "processor time and memory of the servers", Why: "needs their processes; the load generator's own are measured"},
	{What: "traces of single requests", Why: "needs servers that are started with tracing"},
	{What: "installation, restarts and cold starts", Why: "needs control of processes"},
	{What: "the work of the controller", Why: "needs to start and stop it"},
}

// RunOnCluster measures what a cluster serves that somebody else runs, and returns the run and the directory it was written
// to, as Run does. The subject is the form that is installed there, one of options.Forms; options.Arms have no part in it,
// names are the arms to measure, or none for all that there are. It leaves nothing behind on the cluster.
func RunOnCluster(
	ctx context.Context, subject *behaviour.Subject, names []string, options Options,
) (run report.Run, dir string, err error) {
	entries, absent, err := lineup.OnCluster(subject.Form, subject.Profile, names...)
	if err != nil {
		return run, "", err
	}
	form, err := options.Forms.Named(subject.Form)
	if err != nil {
		return run, "", err
	}
	versions := form.Versions(subject.Profile)
	card, err := clusterCard(ctx, subject, options)
	if err != nil {
		return run, "", err
	}
	planned, err := lineup.ClusterArms(entries, versions, subject.Config, nil, options.Seed)
	if err != nil {
		return run, "", err
	}
	lasts := options.Bench.Duration(planned, options.Scenarios)
	user, err := arm.NewUser(ctx, subject.Config, lasts+spare)
	if err != nil {
		return run, "", err
	}
	defer func() { err = errors.Join(err, user.Remove(ctx)) }()
	arms, err := lineup.ClusterArms(entries, versions, subject.Config, user.Config, options.Seed)
	if err != nil {
		return run, "", err
	}
	if err := refuseController(ctx, arms); err != nil {
		return run, "", err
	}
	if run, dir, err = options.openWith(card); err != nil {
		return run, "", err
	}
	fmt.Fprintf(options.Progress, "benchmark %q on %s: %d arms, %d scenarios, %d rounds, about %s\n", options.Bench.Name,
		subject.Config.Host, len(arms), len(options.Scenarios), options.Bench.Rounds, lasts.Round(time.Second))
	result, err := bench.Run(ctx, bench.Options{
		Arms: arms, Scenarios: options.Scenarios, Profile: options.Bench, Seed: options.Seed, Progress: options.progress(),
		Keep: func(b *report.Bench) error { return keep(dir, run, b) }, Resume: options.earlier(),
	})
	if result == nil {
		return run, "", err
	}
	result.Absent = append(absent, notOnCluster...)
	run.Bench, run.Card.Finished = result, time.Now()
	return run, dir, errors.Join(err, report.Write(dir, run))
}

// clusterCard is the card of a run on a cluster: its version, its identity, so that a run does not go on elsewhere, and
// what a reader must know of where the numbers come from.
func clusterCard(ctx context.Context, subject *behaviour.Subject, options Options) (report.Card, error) {
	client, err := kubernetes.NewForConfig(subject.Config)
	if err != nil {
		return report.Card{}, fmt.Errorf("could not make a client: %w", err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return report.Card{}, fmt.Errorf("could not read the cluster's version: %w", err)
	}
	oldest, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return report.Card{}, fmt.Errorf("could not read the cluster's identity: %w", err)
	}
	card := report.NewCard(time.Now(), options.Command, maps.Clone(options.Flags))
	card.Versions["Kubernetes"] = version.GitVersion
	delete(card.Versions, "etcd") // which nobody can ask for through an API server
	card.Flags["cluster"] = string(oldest.UID)
	card.Notes = []string{
		"The machine above is the load generator's. The servers are those of a cluster that somebody else runs, reached at " +
			subject.Config.Host + ": what else the cluster does, and the way there, are in the numbers.",
		fmt.Sprintf("The cluster serves the API by the form %s, profile %s.", subject.Form, subject.Profile),
		"Requests are those of a ServiceAccount with RBAC rights in the benchmark's namespaces and a bearer token.",
	}
	return card, nil
}

// errController is a cluster on which instances are acted on.
var errController = errors.New("a controller acts on the instances of this cluster: it would answer every write of the " +
	"benchmark with writes of its own, which would be measured. Stop it for the time of the run (duet components kill " +
	"duet-controller, on a control plane of duet up; or scale its Deployment to 0)")

// refuseController makes an instance and looks whether somebody changes it.
func refuseController(ctx context.Context, arms []*arm.Arm) (err error) {
	const patience = 3 * time.Second // a controller that is at work has seen a new object long before
	var probe *arm.Arm
	for _, a := range arms {
		if a.Form != arm.BuiltIn {
			probe = a
		}
	}
	if probe == nil {
		return nil
	}
	copied := *probe
	probe = &copied
	probe.Name, probe.Namespace = "probe", fmt.Sprintf("duet-bench-probe-%x", time.Now().UnixNano())
	defer func() { err = errors.Join(err, probe.Cleanup(ctx)) }()
	if err := probe.Prepare(ctx); err != nil {
		return err
	}
	client, err := probe.NewClient()
	if err != nil {
		return err
	}
	defer client.Close()
	const name = "probe"
	body, err := probe.Kind.Append(nil, probe.Encoding, arm.Object{Namespace: probe.Namespace, Name: name})
	if err != nil {
		return err
	}
	var answer bytes.Buffer
	if _, err := client.Create(ctx, probe.Namespace, name, body, &answer); err != nil {
		return fmt.Errorf("could not create an instance: %w", err)
	}
	made, err := client.Meta(answer.Bytes())
	if err != nil {
		return err
	}
	changed := func(ctx context.Context) (bool, error) {
		if _, err := client.Get(ctx, probe.Namespace, name, &answer); err != nil {
			return false, err
		}
		now, err := client.Meta(answer.Bytes())
		return now != made, err
	}
	err = wait.PollUntilContextTimeout(ctx, patience/30, patience, true, changed)
	switch {
	case err == nil:
		return errController
	case wait.Interrupted(err) && ctx.Err() == nil:
		return nil
	}
	return fmt.Errorf("could not see whether a controller acts on the instances: %w", err)
}
