package behaviour

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
	"github.com/duet-api/duet/shared/install"
)

var lifecycleRows = []Row{
	{
		ID: "H6", Group: Operations, Title: "What a server that stops does to its registration",
		Why:    "A server that takes its own registration away takes it from the one that has just replaced it, too.",
		Source: "reports-server#343", Flag: Parity, Labels: []string{Slow, Disruptive}, Site: true,
		Needs:  []install.Capability{install.OwnServer},
		Expect: Both("stopped: every object of the registration is there, with its UID"),
		Probe:  registrationOfStopped,
	},
	{
		ID: "H7", Group: Operations, Title: "A restart of the form's server under load",
		Why:    "With one replica every upgrade is an outage: of writes only, or of the whole API.",
		Source: "custom-resources, Comparing ease of use: no additional service to run", Flag: Documented,
		Labels: []string{Slow, Disruptive}, Site: true, Needs: []install.Capability{install.OwnServer},
		Expect: Expectation{
			CRD:        "reads: all answered; writes: some refused",
			Aggregated: "reads: some refused; writes: some refused",
		},
		Probe: restartUnderLoad,
	},
	{
		ID: "H2", Group: Operations, Title: "Everything applied before the server runs",
		Why:    "Tools that apply manifests in one go meet the API before its server is up.",
		Source: "calico#7555; custom-resources", Flag: Documented, Labels: []string{Slow, Disruptive}, Site: true,
		Needs: []install.Capability{install.OwnServer},
		Expect: Expectation{
			CRD:        "before: list 200, create 500; once it runs: create 201",
			Aggregated: "before: list 503, create 503; once it runs: create 201",
		},
		Probe: registeredFirst,
	},
	{
		ID: "H1", Group: Operations, Title: "The first create after the API has appeared",
		Why: "kube-apiserver holds the first creates of a new custom resource for 2 s, for the sake of servers that do " +
			"not know it yet.",
		Source: "apiextensions customresource_handler.go, serveResource; k/k#99199", Flag: Undocumented,
		Labels: []string{Slow, Disruptive}, Site: true, Needs: []install.Capability{install.OwnServer},
		Expect: Expectation{CRD: "the first create is held", Aggregated: "the first create is as quick as the second"},
		Probe:  firstCreate,
	},
	{
		ID: "E11", Group: Storage, Title: "What deleting the registration does to the objects",
		Why:    "Deleting a CustomResourceDefinition deletes every object; deleting an APIService deletes none.",
		Source: "apiextensions finalizer customresourcecleanup; kube-aggregator autoregister_controller.go",
		Flag:   Undocumented, Labels: []string{Slow, Disruptive}, Site: true, Needs: []install.Capability{install.OwnServer},
		Expect: Expectation{
			CRD:        "0 of 3 stored while it is away, 0 of 3 listed when it is back",
			Aggregated: "3 of 3 stored while it is away, 3 of 3 listed when it is back",
		},
		Probe: registrationDeleted,
	},
}

// unregister deletes what makes the API appear, and returns when it has disappeared.
func (b *backend) unregister(ctx context.Context) error {
	for _, object := range slices.Backward(b.plan.Objects) {
		err := b.resource(object).Delete(ctx, object.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("could not delete %s: %w", object.GetName(), err)
		}
		err = eventually(ctx, object.GetName()+" go", func(ctx context.Context) (bool, error) {
			_, err := b.resource(object).Get(ctx, object.GetName(), metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		})
		if err != nil {
			return err
		}
	}
	return eventually(ctx, "the API disappear", func(ctx context.Context) (bool, error) {
		answer, err := b.subject.get(ctx, b.subject.path())
		return err == nil && answer.Code == http.StatusNotFound, err
	})
}

// register creates it again. What an installation does besides is for Install.
func (b *backend) register(ctx context.Context) error {
	for _, object := range b.plan.Objects {
		if _, err := b.resource(object).Create(ctx, object.DeepCopy(), metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("could not create %s: %w", object.GetName(), err)
		}
	}
	return nil
}

// uids of the objects that make the API appear.
func (b *backend) uids(ctx context.Context) ([]string, error) {
	var uids []string
	for _, object := range b.plan.Objects {
		current, err := b.resource(object).Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("could not read %s: %w", object.GetName(), err)
		}
		uids = append(uids, string(current.GetUID()))
	}
	return uids, nil
}

func registrationOfStopped(ctx context.Context, s *Subject) (Observation, error) {
	_, b, err := s.backendOf(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	before, err := b.uids(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := b.runner().Stop(ctx, b.name); err != nil { // SIGTERM, and it has time to tidy up
		return Observation{}, err
	}
	after, err := b.uids(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("stopped: every object of the registration is there, with %s",
		choose(slices.Equal(before, after), "its UID", "another UID"))
}

func restartUnderLoad(ctx context.Context, s *Subject) (Observation, error) {
	there, b, err := s.backendOf(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	if _, err := there.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	load, err := there.startLoad(ctx)
	if err != nil {
		return Observation{}, err
	}
	defer load.stop()
	if err := load.goOn(ctx); err != nil {
		return Observation{}, err
	}
	if err := b.runner().Restart(ctx, b.name); err != nil {
		return Observation{}, err
	}
	if err := there.Site.settle(ctx); err != nil {
		return Observation{}, err
	}
	if err := load.goOn(ctx); err != nil {
		return Observation{}, err
	}
	return Observation{Summary: load.stop()}, nil
}

func registeredFirst(ctx context.Context, s *Subject) (Observation, error) {
	there, b, err := s.backendOf(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	if err := b.unregister(ctx); err != nil {
		return Observation{}, err
	}
	if err := b.runner().Stop(ctx, b.name); err != nil {
		return Observation{}, err
	}
	if err := b.register(ctx); err != nil {
		return Observation{}, err
	}
	var list, created *wire.Answer
	err = eventually(ctx, "the API known", func(ctx context.Context) (bool, error) {
		if list, err = there.get(ctx, there.path()); err != nil {
			return false, err
		}
		created, err = there.post(ctx, there.path(), fixture.Instance("db"))
		// A client tries a list again while the watch cache is being filled (429).
		return err == nil && list.Code != http.StatusNotFound && list.Code != http.StatusTooManyRequests &&
			created.Code != http.StatusNotFound, err
	})
	if err != nil {
		return Observation{}, err
	}
	// All of it: the server that was stopped, and what an installation does besides.
	if err := there.Site.Install(ctx); err != nil {
		return Observation{}, err
	}
	after, err := there.post(ctx, there.path(), fixture.Instance("db"))
	if err != nil {
		return Observation{}, err
	}
	return observed("before: list %d, create %d; once it runs: create %d", list.Code, created.Code, after.Code)
}

func firstCreate(ctx context.Context, s *Subject) (Observation, error) {
	there, b, err := s.backendOf(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	if err := b.unregister(ctx); err != nil {
		return Observation{}, err
	}
	if err := b.register(ctx); err != nil {
		return Observation{}, err
	}
	timed := func(name string) (took time.Duration, created bool, err error) {
		began := time.Now()
		answer, err := there.post(ctx, there.path(), fixture.Instance(name))
		return time.Since(began), err == nil && answer.OK(), err
	}
	var first time.Duration
	err = eventually(ctx, "a create accepted", func(context.Context) (created bool, err error) {
		first, created, err = timed("first")
		return created, err
	})
	if err != nil {
		return Observation{}, err
	}
	if err := there.Site.Install(ctx); err != nil {
		return Observation{}, err
	}
	second, _, err := timed("second")
	if err != nil {
		return Observation{}, err
	}
	s.recorder.Note("the clock", fmt.Sprintf("first create %s, second %s", first, second))
	// It is held for two whole seconds: what is between is a slow machine.
	const held = 1900 * time.Millisecond
	return observed("the first create is %s", choose(first-second > held, "held", "as quick as the second"))
}

func registrationDeleted(ctx context.Context, s *Subject) (Observation, error) {
	there, b, err := s.backendOf(ctx, production)
	if err != nil {
		return Observation{}, err
	}
	storing, err := there.storing(ctx)
	if err != nil {
		return Observation{}, err
	}
	const count = 3
	for i := range count {
		if _, err := there.create(ctx, fixture.Instance(fmt.Sprintf("db-%d", i))); err != nil {
			return Observation{}, err
		}
	}
	if err := b.unregister(ctx); err != nil {
		return Observation{}, err
	}
	left, err := there.raw(ctx, storing, there.key(storing, ""))
	if err != nil {
		return Observation{}, err
	}
	if err := there.Site.Install(ctx); err != nil {
		return Observation{}, err
	}
	list, err := stored(there.get(ctx, there.path()))
	if err != nil {
		return Observation{}, err
	}
	return observed("%d of %d stored while it is away, %d of %d listed when it is back",
		len(left), count, len(namesIn(list)), count)
}
