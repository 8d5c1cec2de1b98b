package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/duet-api/duet/bench/arm"
)

// witnessed are the scenarios that an independent client can measure, each with one operation of client-go's.
var witnessed = map[string]func(w *witness) (*rest.Request, error){
	getOne.Name: func(w *witness) (*rest.Request, error) {
		return w.client.Get().Namespace(w.subject.Arm.Namespace).Name(Member(0)), nil
	},
	list500.Name: func(w *witness) (*rest.Request, error) {
		return w.client.Get().Namespace(w.subject.Arm.Namespace), nil
	},
	create.Name: func(w *witness) (*rest.Request, error) {
		objects := w.subject.fresh("witness", 1)
		w.created = append(w.created, objects...)
		body, err := w.subject.Arm.Kind.Append(nil, w.subject.Arm.Encoding, objects[0])
		return w.client.Post().Namespace(w.subject.Arm.Scratch()).SetHeader("Content-Type", "application/json").Body(body), err
	},
}

// witness is a client that shares nothing with the one that the benchmark measures with, so that a flaw of that one would
// show: client-go's, in the plainest loop, without the benchmark's clock, histograms or connections. It reads answers in
// full and does not decode them, as the benchmark's own does not: otherwise their ratio would be the price of decoding.
type witness struct {
	subject *Subject
	client  *rest.RESTClient
	created []arm.Object
}

// Witness measures the scenario as an independent client for so long, and at least once. It returns when each operation
// began, counted from the first, and what it took.
func (s Scenario) Witness(ctx context.Context, subject *Subject, length time.Duration) (began, took []time.Duration, err error) {
	w, err := newWitness(subject)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, subject.remove(ctx, w.created)) }()
	start := time.Now()
	for len(took) == 0 || time.Since(start) < length {
		request, err := witnessed[s.Name](w)
		if err != nil {
			return nil, nil, err
		}
		request.Resource(subject.Arm.Kind.Resource.Resource)
		before := time.Now()
		answer, err := request.DoRaw(ctx)
		took = append(took, time.Since(before))
		began = append(began, before.Sub(start))
		if err != nil {
			return nil, nil, fmt.Errorf("an independent client could not do %s on %s: %w", s.Name, subject.Arm.Name, err)
		}
		if len(answer) < subject.size {
			return nil, nil, errShort
		}
	}
	return began, took, nil
}

func newWitness(subject *Subject) (*witness, error) {
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
	return &witness{subject: subject, client: client}, nil
}
