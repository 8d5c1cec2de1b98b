package behaviour

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/e2e/wire"
)

const (
	// parallelRows run at once: enough to fill the waits, few enough not to disturb each other on two cores.
	parallelRows = 6
	// rowTimeout ends a probe that hangs. It is long, since the garbage collector and the quota controller look for new
	// kinds every half minute only, and kube-apiserver waits one and then two minutes before it reads a document again
	// that it could not read.
	rowTimeout = 5 * time.Minute
	// cleanupTimeout is how long a row's namespace, or anything else that it left, may take to go. It is generous: a
	// hundred namespaces are deleted at a time, each in passes over every kind that there is, up to a minute apart. On a
	// machine that does other work besides, some have taken more than five minutes.
	cleanupTimeout = 10 * time.Minute
	// namespacePollInterval is how often a row looks whether its namespace is gone. Many rows look at the same time, and
	// what they take of the server is missing where the namespaces are deleted.
	namespacePollInterval = time.Second
	// namespaceLabel marks the namespaces of rows, with the row's ID.
	namespaceLabel = "duet.example.com/row"
)

// Run looks at every row on one form and returns the results in the rows' order. Each row has a namespace of its own,
// which is gone when Run returns; where it is not, the row's result says so. Rows run several at a time, and the
// disruptive ones alone after them. Progress, if given, is called with each result as it comes, one at a time. When the
// context ends, the rows that are left are reported as errors.
func Run(ctx context.Context, subject *Subject, rows []Row, progress func(Result)) []Result {
	r := &run{subject: subject, rows: rows, progress: progress,
		results: make([]Result, len(rows)), left: make([]error, len(rows))}
	var together, alone []int
	for _, i := range slowFirst(rows) {
		if rows[i].Disruptive() {
			alone = append(alone, i)
		} else {
			together = append(together, i)
		}
	}
	r.together(ctx, together)
	r.alone(ctx, alone)
	for i, err := range r.left {
		if err != nil {
			r.results[i].Unexpected = true
			r.results[i].Error = strings.TrimSpace(r.results[i].Error + "\n" + err.Error())
		}
	}
	return r.results
}

// run is one call of Run.
type run struct {
	subject  *Subject
	rows     []Row
	progress func(Result)
	report   sync.Mutex
	results  []Result
	// left is what a row left behind, by the row's index.
	left []error
}

// together runs rows several at a time, and returns when their namespaces are gone.
func (r *run) together(ctx context.Context, rows []int) {
	var running, cleaning sync.WaitGroup
	next := make(chan int)
	for range min(parallelRows, len(rows)) {
		running.Go(func() {
			for i := range next {
				clean := r.one(ctx, i)
				// Namespaces take seconds to go, most of them spent waiting: the next row need not wait as well.
				cleaning.Go(func() { r.left[i] = clean() })
			}
		})
	}
	for _, i := range rows {
		next <- i
	}
	close(next)
	running.Wait()
	cleaning.Wait()
}

// alone runs rows one after the other, each on a control plane that is well again. Their namespaces go after the last
// one, together: while a row disturbs the control plane, no namespace may be able to go.
func (r *run) alone(ctx context.Context, rows []int) {
	cleanups := map[int]func() error{}
	for _, i := range rows {
		cleanups[i] = r.one(ctx, i)
		if site := r.subject.Site; site != nil && r.results[i].NotApplicable == "" {
			r.left[i] = site.settle(context.WithoutCancel(ctx))
			if r.results[i].Unexpected {
				// The next row shall not be blamed for what this one did there.
				r.left[i] = errors.Join(r.left[i], site.leaveAnnex(context.WithoutCancel(ctx)))
			}
		}
	}
	if site := r.subject.Site; site != nil && len(rows) > 0 {
		last := rows[len(rows)-1]
		r.left[last] = errors.Join(r.left[last], site.leaveAnnex(context.WithoutCancel(ctx)))
	}
	var cleaning sync.WaitGroup
	for i, clean := range cleanups {
		cleaning.Go(func() { r.left[i] = errors.Join(r.left[i], clean()) })
	}
	cleaning.Wait()
}

// one runs one row, reports it, and returns what removes its namespace.
func (r *run) one(ctx context.Context, i int) func() error {
	result, clean := runRow(ctx, r.subject, r.rows[i])
	r.results[i] = result
	if r.progress != nil {
		r.report.Lock()
		defer r.report.Unlock()
		r.progress(result)
	}
	return clean
}

// slowFirst orders the rows' indices so that the wait of the slow ones is spent on the others.
func slowFirst(rows []Row) []int {
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch slowA, slowB := rows[a].Slow(), rows[b].Slow(); {
		case slowA == slowB:
			return 0
		case slowA:
			return -1
		default:
			return 1
		}
	})
	return order
}

// runRow looks at one row and returns what removes its namespace.
func runRow(ctx context.Context, subject *Subject, row Row) (Result, func() error) {
	began := time.Now()
	result := Result{
		ID: row.ID, Group: row.Group, Title: row.Title, Why: row.Why, Source: row.Source, Flag: row.Flag,
		Form: subject.Form, Profile: subject.Profile, Expected: row.Expect.Of(subject.Form, subject.Profile),
	}
	if result.NotApplicable = row.missing(subject); result.NotApplicable != "" {
		return result, func() error { return nil }
	}
	observation, clean, err := look(ctx, subject, row)
	result.Observed, result.Evidence = observation.Summary, observation.Evidence
	if err != nil {
		result.Error = err.Error()
	}
	result.Unexpected = err != nil || result.Observed != result.Expected
	result.Duration = time.Since(began)
	return result, clean
}

// look gives the row a namespace and runs its probe there. It returns what removes the namespace, whatever the probe
// came to.
func look(ctx context.Context, subject *Subject, row Row) (Observation, func() error, error) {
	nothing := func() error { return nil }
	client, err := subject.unlimited()
	if err != nil {
		return Observation{}, nothing, err
	}
	namespace, err := makeNamespace(ctx, client, row.ID)
	if err != nil {
		return Observation{}, nothing, err
	}
	clean := func() error { return removeNamespace(context.WithoutCancel(ctx), client, namespace) }
	own, err := subject.within(namespace, &wire.Recorder{})
	if err != nil {
		return Observation{}, clean, err
	}
	observation, err := probe(ctx, own, row)
	if observation.Evidence == nil {
		observation.Evidence = own.recorder.Exchanges()
	}
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return observation, clean, errors.Join(err, own.cleanUp(cleaning))
}

// probe runs a row's probe. A probe that panics is one row without an observation, not the end of the run.
func probe(ctx context.Context, subject *Subject, row Row) (observation Observation, err error) {
	ctx, cancel := context.WithTimeout(ctx, rowTimeout)
	defer cancel()
	defer func() {
		if reason := recover(); reason != nil {
			observation, err = Observation{}, fmt.Errorf("the probe panicked: %v\n%s", reason, debug.Stack())
		}
	}()
	return row.Probe(ctx, subject)
}

// unlimited is a client without a limit of its own, for namespaces.
func (s *Subject) unlimited() (kubernetes.Interface, error) {
	config := rest.CopyConfig(s.Config)
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("could not make a client: %w", err)
	}
	return client, nil
}

// makeNamespace for a row, and return its name.
func makeNamespace(ctx context.Context, client kubernetes.Interface, row string) (string, error) {
	namespace, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "duet-row-" + strings.ToLower(row) + "-", Labels: map[string]string{namespaceLabel: row},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("could not create a namespace for the row: %w", err)
	}
	return namespace.Name, nil
}

func removeNamespace(ctx context.Context, client kubernetes.Interface, name string) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	err := client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("could not delete the row's namespace: %w", err)
	}
	var inTheWay []corev1.NamespaceCondition
	what := "the row's namespace " + name + " go"
	err = eventuallyEvery(ctx, namespacePollInterval, what, func(ctx context.Context) (bool, error) {
		namespace, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			inTheWay = obstacles(namespace)
		}
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
	if err == nil {
		return nil
	}
	for _, obstacle := range inTheWay {
		err = fmt.Errorf("%w; %s", err, obstacle.Message)
	}
	return err
}

// obstacles are what is in the way of the deletion of a namespace, as far as its status says.
func obstacles(namespace *corev1.Namespace) []corev1.NamespaceCondition {
	return slices.DeleteFunc(slices.Clone(namespace.Status.Conditions), func(condition corev1.NamespaceCondition) bool {
		return condition.Status != corev1.ConditionTrue
	})
}
