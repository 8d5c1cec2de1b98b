package behaviour

import (
	"context"
	"errors"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubectl/pkg/cmd/autoscale"

	"github.com/duet-api/duet/e2e/fixture"
)

// autoscalingRows are about what a HorizontalPodAutoscaler makes of the scale subresource.
var autoscalingRows = []Row{
	{
		ID: "I11", Group: Clients, Title: "An autoscaler reads the size of an instance",
		Why:    "An autoscaler that cannot read the scale subresource does nothing, and says so in a place nobody looks at.",
		Source: "custom-resource-definitions, Scale subresource; kubernetes pkg/controller/podautoscaler", Flag: Parity,
		Labels: []string{Slow},
		Expect: Both("AbleToScale True SucceededGetScale, 2 replicas now"),
		Probe:  autoscalerReads,
	},
}

func (s *Subject) autoscaler(ctx context.Context) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	client, err := s.kubernetes()
	if err != nil {
		return nil, err
	}
	autoscaler, err := client.AutoscalingV2().HorizontalPodAutoscalers(s.Namespace).Get(ctx, "db", metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("could not read the autoscaler: %w", err)
	}
	return autoscaler, nil
}

func autoscalerReads(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db", fixture.With("spec.replicas", 2))); err != nil {
		return Observation{}, err
	}
	if _, err := s.kubectl().run(ctx, autoscale.NewCmdAutoscale, "mysqlinstance/db", "--max=5"); err != nil {
		return Observation{}, fmt.Errorf("could not make an autoscaler: %w", err)
	}
	// The controller looks at an autoscaler every 15 s, and for new kinds every 30 s: the first verdict may be of a time
	// when it did not know this one.
	var verdict autoscalingv2.HorizontalPodAutoscalerCondition
	replicas := int32(0)
	_, err := holdsWithin(ctx, time.Minute, func(ctx context.Context) (bool, error) {
		autoscaler, err := s.autoscaler(ctx)
		if err != nil {
			return false, err
		}
		replicas = autoscaler.Status.CurrentReplicas
		for _, condition := range autoscaler.Status.Conditions {
			if condition.Type == autoscalingv2.AbleToScale {
				verdict = condition
			}
		}
		return verdict.Status == corev1.ConditionTrue, nil
	})
	if err != nil {
		return Observation{}, err
	}
	if verdict.Type == "" {
		return Observation{}, errors.New("the autoscaler says nothing of whether it is able to scale")
	}
	return observed("%s %s %s, %d replicas now", verdict.Type, verdict.Status, verdict.Reason, replicas)
}
