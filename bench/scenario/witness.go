package scenario

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/bench/arm"
)

// witnessed are the scenarios that an independent client can measure, each with one operation of client-go's.
var witnessed = map[string]func(w *Witness) (*rest.Request, error){
	getOne.Name: func(w *Witness) (*rest.Request, error) {
		return w.client.Get().Namespace(w.subject.Arm.Namespace).Name(Member(0)), nil
	},
	list500.Name: func(w *Witness) (*rest.Request, error) {
		return w.client.Get().Namespace(w.subject.Arm.Namespace), nil
	},
	create.Name: func(w *Witness) (*rest.Request, error) {
		objects := w.subject.fresh("witness", 1)
		w.created = append(w.created, objects...)
		body, err := w.subject.Arm.Kind.Append(nil, w.subject.Arm.Encoding, objects[0])
		return w.client.Post().Namespace(w.subject.Arm.Scratch()).SetHeader("Content-Type", "application/json").Body(body), err
	},
}

// Witness is a client that shares nothing with the one that the benchmark measures with, so that a flaw of that one would
// show: client-go's, in the plainest loop, without the benchmark's clock, histograms or connections. It reads answers in
// full and does not decode them, as the benchmark's own does not: otherwise their ratio would be the price of decoding.
type Witness struct {
	scenario string
	subject  *Subject
	client   *rest.RESTClient
	created  []arm.Object
}

// Witness is an independent client that does what the scenario does.
func (s Scenario) Witness(subject *Subject) (*Witness, error) {
	target, ok := subject.Arm.Target.(interface{ UserConfig() *rest.Config })
	if !ok {
		return nil, fmt.Errorf("an independent client cannot reach arm %s, which is not a Kubernetes API", subject.Arm.Name)
	}
	config := rest.CopyConfig(target.UserConfig())
	version := subject.Arm.Kind.Resource.GroupVersion()
	config.GroupVersion, config.APIPath = &version, "/apis"
	if version.Group == corev1.GroupName {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.DisableCompression, config.QPS = true, -1 // as the benchmark's own client
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("could not make an independent client: %w", err)
	}
	return &Witness{scenario: s.Name, subject: subject, client: client}, nil
}

// Measure does the operation for so long, and at least once. It returns when each operation began, counted from the first,
// and what it took.
func (w *Witness) Measure(ctx context.Context, length time.Duration) (began, took []time.Duration, err error) {
	start := time.Now()
	for len(took) == 0 || time.Since(start) < length {
		request, err := witnessed[w.scenario](w)
		if err != nil {
			return nil, nil, err
		}
		request.Resource(w.subject.Arm.Kind.Resource.Resource)
		before := time.Now()
		answer, err := request.DoRaw(ctx)
		took = append(took, time.Since(before))
		began = append(began, before.Sub(start))
		if err != nil {
			return nil, nil, fmt.Errorf("an independent client could not do %s on %s: %w", w.scenario, w.subject.Arm.Name, err)
		}
		if len(answer) < w.subject.size {
			return nil, nil, errShort
		}
	}
	return began, took, nil
}

// Close removes what the client has created.
func (w *Witness) Close(ctx context.Context) error { return w.subject.remove(ctx, w.created) }
