package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/duet-api/duet/bench/arm"
	"github.com/duet-api/duet/bench/load"
)

// What happens once: an installation, and a start of the server. Neither leaves anything for others to do meanwhile, so
// the arms that share a control plane take turns here as everywhere.
var (
	installList = Scenario{
		Name:  "install-list",
		Title: "Installed, until the first LIST is answered",
		Why: "All parts of a form, from nothing: access rules, processes, and what makes the API appear. Conditions such as " +
			"Established come earlier, and promise less.",
		Level: Full, Loop: load.Times{Count: 1}, Population: None, Needs: arm.Own, Takes: 9 * time.Second,
		Start: startInstall(func(ctx context.Context, s *Subject) error {
			var answer bytes.Buffer
			_, err := s.Client.List(ctx, s.Arm.Scratch(), &answer)
			return err
		}),
	}
	installCreate = Scenario{
		Name:  "install-create",
		Title: "Installed, until the first create is answered",
		Why: "kube-apiserver holds up creates of a new CustomResourceDefinition for two seconds, until all of its servers " +
			"know it.",
		Level: Full, Loop: load.Times{Count: 1}, Population: None, Needs: arm.Own, Takes: 9 * time.Second,
		Start: startInstall(func(ctx context.Context, s *Subject) error { return s.make(ctx, s.fresh("first", 1)) }),
	}
	coldStart = Scenario{
		Name:  "cold-start",
		Title: "Server started, until a LIST is answered",
		Why: "The process that serves the resource: the aggregated server alone, or kube-apiserver with all that it " +
			"serves.",
		Level: Full, Loop: load.Times{Count: 1}, Population: None, Needs: arm.Own, Takes: 2 * time.Second,
		Start: startCold,
	}
	coldStart10K = Scenario{
		Name:  "cold-start-10k",
		Title: "Server started, until lists of 10,000 objects are answered",
		Why: "The same with objects to read into the watch cache: until all of them are there, lists are refused (429), but for " +
			"pages, which come straight from etcd.",
		Level: Full, Loop: load.Times{Count: 1}, Population: TenThousand, Needs: arm.Own, Takes: 8 * time.Second,
		Start: startCold,
	}
)

// tries is how often what is not there yet is tried, and patience how long.
const (
	tries    = 10 * time.Millisecond
	patience = time.Minute
)

// until tries something until it succeeds, and returns when it did.
func until(ctx context.Context, try func(context.Context) error) (time.Time, error) {
	var last error
	var done time.Time
	err := wait.PollUntilContextTimeout(ctx, tries, patience, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		done = time.Now()
		return last == nil, nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("it does not answer after %v: %w", patience, errors.Join(err, last))
	}
	return done, nil
}

// startInstall takes the form away, and puts it into place again in the measured time.
func startInstall(answers func(context.Context, *Subject) error) func(context.Context, *Subject, Cell) (load.Op, func() error, error) {
	return func(ctx context.Context, s *Subject, _ Cell) (load.Op, func() error, error) {
		site := s.owned().Own()
		whole := context.WithoutCancel(ctx) // an interruption leaves a site that others can use
		if err := site.Uninstall(whole); err != nil {
			return nil, nil, errors.Join(err, site.Install(whole))
		}
		if _, err := until(ctx, func(ctx context.Context) error {
			var answer bytes.Buffer
			if _, err := s.Client.List(ctx, s.Arm.Scratch(), &answer); err == nil {
				return errors.New("what was uninstalled answers all the same")
			}
			return nil
		}); err != nil {
			return nil, nil, errors.Join(err, site.Install(whole))
		}
		var installed chan error
		op := func(ctx context.Context, _ load.Call) (time.Time, error) {
			installed = make(chan error, 1)
			go func() { installed <- site.Install(whole) }()
			return until(ctx, func(ctx context.Context) error { return answers(ctx, s) })
		}
		stop := func() error {
			// Whoever comes next needs all parts, and an empty namespace.
			if installed == nil {
				return site.Install(whole)
			}
			if err := <-installed; err != nil {
				return err
			}
			return s.clear(whole)
		}
		return op, stop, nil
	}
}

// clear removes all objects of the scratch namespace.
func (s *Subject) clear(ctx context.Context) error {
	var list bytes.Buffer
	if _, err := s.Client.List(ctx, s.Arm.Scratch(), &list); err != nil {
		return err
	}
	_, items, err := s.Client.Items(list.Bytes())
	if err != nil {
		return err
	}
	objects := make([]arm.Object, len(items))
	for i, item := range items {
		objects[i] = arm.Object{Namespace: s.Arm.Scratch(), Name: item.Name}
	}
	return s.remove(ctx, objects)
}

func startCold(ctx context.Context, s *Subject, _ Cell) (load.Op, func() error, error) {
	site := s.owned().Own()
	whole := context.WithoutCancel(ctx)
	if err := site.StopServer(whole); err != nil {
		return nil, nil, errors.Join(err, site.StartServer(whole))
	}
	// All objects are looked at for this one, so that a page of them does not do.
	answers := func(ctx context.Context) error {
		var none bytes.Buffer
		_, err := s.api().Do(ctx, arm.Request{
			Verb: http.MethodGet, Namespace: s.Arm.Namespace, Query: url.Values{"fieldSelector": {"metadata.name=nobody"}},
		}, &none)
		return err
	}
	op := func(ctx context.Context, _ load.Call) (time.Time, error) {
		if err := site.StartServer(ctx); err != nil {
			return time.Time{}, err
		}
		return until(ctx, answers)
	}
	// A server that nobody started again, or that is not all there yet, would be missed by all that follows.
	stop := func() error {
		if err := site.StartServer(whole); err != nil {
			return err
		}
		_, err := until(whole, answers)
		return err
	}
	return op, stop, nil
}
