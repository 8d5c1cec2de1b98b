package arm

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Ingresses is a structured kind that is built in, in as many bytes and with about as many fields as the instance of the
// same number. No controller of a bare control plane acts on it.
func Ingresses(seed uint64) (*Kind, error) {
	return newKind(networkingv1.SchemeGroupVersion.WithResource("ingresses"), func(i int) (specimen, error) {
		source := instance(seed, i)
		object := &networkingv1.Ingress{
			TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress"},
			ObjectMeta: source.ObjectMeta,
			Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{
				{Host: ingressHost(revisionMark), IngressRuleValue: ingressPath("first")},
			}},
		}
		for rule, p := range source.Spec.Parameters[1:5] {
			object.Spec.Rules = append(object.Spec.Rules, networkingv1.IngressRule{
				Host: fmt.Sprintf("rule-%d-%s.example.com", rule, p.Value), IngressRuleValue: ingressPath(p.Name),
			})
		}
		return specimen{
			object: object, meta: &object.ObjectMeta,
			setRevision: func(into runtime.Object, revision string) {
				into.(*networkingv1.Ingress).Spec.Rules[0].Host = ingressHost(revision)
			},
			addStatus: func() {
				object.Spec.Rules[0].Host = ingressHost(Object{}.revisionText())
				object.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{
					{Hostname: ingressHost(revisionMark)},
				}
			},
			setStatusRevision: func(into runtime.Object, revision string) {
				into.(*networkingv1.Ingress).Status.LoadBalancer.Ingress[0].Hostname = ingressHost(revision)
			},
		}, nil
	})
}

func ingressHost(revision string) string { return "revision-" + revision + ".example.com" }

func ingressPath(service string) networkingv1.IngressRuleValue {
	prefix := networkingv1.PathTypePrefix
	return networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
		Path: "/" + service, PathType: &prefix,
		Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: strings.ReplaceAll(service, "_", "-"), Port: networkingv1.ServiceBackendPort{Number: 8080},
		}},
	}}}}
}

// FlunderResource is the kind of upstream's sample API server.
var FlunderResource = schema.GroupVersionResource{Group: "wardle.example.com", Version: "v1alpha1", Resource: "flunders"}

// flunder has the fields of a Flunder. The sample server's own types would bring its whole module along.
type flunder struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              flunderSpec `json:"spec"`
}

type flunderSpec struct {
	Reference     string `json:"reference"`
	ReferenceType string `json:"referenceType"`
}

// Flunders are as many bytes in the two fields that a Flunder has, its labels and the padding.
func Flunders(seed uint64) (*Kind, error) {
	return newKind(FlunderResource, func(i int) (specimen, error) {
		object := &flunder{
			TypeMeta:   metav1.TypeMeta{APIVersion: FlunderResource.GroupVersion().String(), Kind: "Flunder"},
			ObjectMeta: instance(seed, i).ObjectMeta,
			Spec:       flunderSpec{Reference: "flunder-" + revisionMark, ReferenceType: "Flunder"},
		}
		return specimen{object: object, meta: &object.ObjectMeta}, nil
	})
}
