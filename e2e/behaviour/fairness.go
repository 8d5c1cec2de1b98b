package behaviour

import (
	"context"
	"fmt"
	"time"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/e2e/wire"
)

var fairnessRows = []Row{
	{
		ID: "F14", Group: Security, Title: "Priority and fairness",
		Why:    "A request to an aggregated API takes a seat in both servers, each with limits of its own.",
		Source: "https://kubernetes.io/docs/concepts/cluster-administration/flow-control/, Recursive server scenarios",
		Flag:   Undocumented, Site: true,
		Expect: Expectation{
			CRD:        "10 gets: kube-apiserver dispatches 10",
			Aggregated: "10 gets: kube-apiserver dispatches 10, duet-apiserver dispatches 10",
		},
		Probe: seatsOfRequests,
	},
	{
		ID: "F15", Group: Security, Title: "Watches and seats",
		Why:    "A watch that kept its seat while it is proxied would lock everybody out after a few hundred of them.",
		Source: "k/k#105409, k/k#105511", Flag: Parity, Site: true,
		Expect: Both("20 open watches hold no seat in any server"),
		Probe:  seatsOfWatches,
	},
}

// flow gives a user a FlowSchema of their own, by whose name the metrics tell their requests from all others, and
// returns the user's client, the servers and the labels once every server obeys it.
func (s *Subject) flow(ctx context.Context) (*wire.Client, []server, labels, error) {
	user := "hungry-in-" + s.Namespace
	config, err := s.user(user)
	if err != nil {
		return nil, nil, nil, err
	}
	client, err := s.reader(ctx, config, user)
	if err != nil {
		return nil, nil, nil, err
	}
	kubernetes, err := s.kubernetes()
	if err != nil {
		return nil, nil, nil, err
	}
	schemas := kubernetes.FlowcontrolV1().FlowSchemas()
	all := []string{"*"}
	_, err = schemas.Create(ctx, &flowcontrolv1.FlowSchema{
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
		Spec: flowcontrolv1.FlowSchemaSpec{
			PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: "workload-low"},
			MatchingPrecedence:         100,
			Rules: []flowcontrolv1.PolicyRulesWithSubjects{{
				Subjects: []flowcontrolv1.Subject{{
					Kind: flowcontrolv1.SubjectKindUser, User: &flowcontrolv1.UserSubject{Name: user},
				}},
				ResourceRules: []flowcontrolv1.ResourcePolicyRule{{
					Verbs: all, APIGroups: all, Resources: all, Namespaces: all, ClusterScope: true,
				}},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("could not create a FlowSchema: %w", err)
	}
	s.afterwards(func(ctx context.Context) error { return schemas.Delete(ctx, s.Namespace, metav1.DeleteOptions{}) })
	servers, err := s.servers(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	want := labels{"flow_schema": s.Namespace}
	err = eventually(ctx, "the FlowSchema in force in every server", func(ctx context.Context) (bool, error) {
		if _, err := client.Send(ctx, "GET", s.path("db"), nil); err != nil {
			return false, err
		}
		for _, v := range servers {
			if seen, err := s.scrape(ctx, v); err != nil {
				return false, err
			} else if _, there := seen.Sum(dispatched, want); !there {
				return false, nil
			}
		}
		return true, nil
	})
	return client, servers, want, err
}

const (
	dispatched = "apiserver_flowcontrol_dispatched_requests_total"
	executing  = "apiserver_flowcontrol_current_executing_seats"
)

func seatsOfRequests(ctx context.Context, s *Subject) (Observation, error) {
	client, servers, want, err := s.flow(ctx)
	if err != nil {
		return Observation{}, err
	}
	before := map[string]float64{}
	for _, v := range servers {
		if before[v.name()], _, err = s.count(ctx, v, dispatched, want); err != nil {
			return Observation{}, err
		}
	}
	const requests = 10
	for range requests {
		if _, err := client.Send(ctx, "GET", s.path("db"), nil); err != nil {
			return Observation{}, err
		}
	}
	summary, err := each(servers, func(v server) (string, error) {
		after, _, err := s.count(ctx, v, dispatched, want)
		return fmt.Sprintf("dispatches %v", after-before[v.name()]), err
	})
	return Observation{Summary: fmt.Sprintf("%d gets: %s", requests, summary)}, err
}

// seatPatience is how long a watch may keep its seat. It gives it back with its first event, if it does.
const seatPatience = 10 * time.Second

func seatsOfWatches(ctx context.Context, s *Subject) (Observation, error) {
	client, servers, want, err := s.flow(ctx)
	if err != nil {
		return Observation{}, err
	}
	const watches = 20
	for range watches {
		stream, err := client.Watch(ctx, s.path())
		if err != nil {
			return Observation{}, err
		}
		defer stream.Close()
		if _, err := stream.Next(); err != nil { // the instance that is there
			return Observation{}, err
		}
	}
	for _, v := range servers {
		var seats float64
		free, err := holdsWithin(ctx, seatPatience, func(ctx context.Context) (bool, error) {
			var err error
			seats, _, err = s.count(ctx, v, executing, want)
			return err == nil && seats == 0, err
		})
		if err != nil {
			return Observation{}, err
		}
		if !free {
			return observed("%d open watches hold %v seats in %s", watches, seats, v.name())
		}
	}
	return observed("%d open watches hold no seat in any server", watches)
}
