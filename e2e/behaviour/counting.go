package behaviour

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"slices"
	"strings"

	"github.com/duet-api/duet/e2e/fixture"
)

var countingRows = []Row{
	{
		ID: "E7", Group: Storage, Title: "Watch caches of one resource",
		Why:    "Each holds every object in memory; custom resources have one for each version, converted.",
		Source: "apiextensions customresource_handler.go, getOrCreateServingInfoFor", Flag: Undocumented, Site: true,
		Expect: Expectation{
			CRD:        "kube-apiserver one for each version",
			Aggregated: "kube-apiserver none, duet-apiserver one",
			Profiles:   map[string]string{"schema-only": "kube-apiserver one"},
		},
		Probe: watchCaches,
	},
	{
		ID: "E13", Group: Storage, Title: "Where storage metrics are",
		Why:    "A dashboard of kube-apiserver's etcd latency and object counts does not show an aggregated API.",
		Source: "apiserver pkg/storage/etcd3/metrics", Flag: Undocumented, Site: true,
		Expect: Expectation{
			CRD:        "kube-apiserver counts objects and requests to etcd",
			Aggregated: "kube-apiserver counts nothing, duet-apiserver counts objects and requests to etcd",
		},
		Probe: storageMetrics,
	},
	{
		ID: "H8", Group: Operations, Title: "Which libraries serve the API",
		Why: "An aggregated server has the Kubernetes that it was built with until somebody builds it again; a fix in the " +
			"cluster does not reach it.",
		Source: "custom-resources, Comparing ease of use: may need to periodically pick up bug fixes; the programs' build " +
			"information",
		Flag: Documented, Site: true,
		Expect: Expectation{
			CRD:        "k8s.io/apiserver as it is in kube-apiserver",
			Aggregated: "k8s.io/apiserver as it is in kube-apiserver, duet-apiserver, of one version",
		},
		Probe: librarySkew,
	},
	{
		ID: "H9", Group: Operations, Title: "Request metrics",
		Why: "kube-apiserver counts nothing of what it forwards: an alert on its error rate never fires for an " +
			"aggregated API.",
		Source: "k/k#96321, k/k#117167; kube-aggregator handler_proxy.go", Flag: Undocumented, Site: true,
		Expect: Expectation{
			CRD:        "20 requests: kube-apiserver counts them",
			Aggregated: "20 requests: kube-apiserver counts none, duet-apiserver counts them",
		},
		Probe: requestMetrics,
	},
	{
		ID: "H11", Group: Operations, Title: "What runs beside the control plane",
		Why:    "Each program has to be deployed, watched, given memory and kept available.",
		Source: "pinniped#2269, kueue#3918; the evidence has the memory of each", Flag: Documented, Site: true,
		Expect: Expectation{
			CRD:        "crd-webhook, duet-controller",
			Aggregated: "duet-apiserver, duet-controller",
			Profiles: map[string]string{
				"schema-only":    "duet-controller",
				"dedicated-etcd": "duet-apiserver, duet-controller, duet-etcd",
			},
		},
		Probe: footprint,
	},
}

// ofInstances are the labels of series about the resource.
var ofInstances = labels{"group": fixture.Group, "resource": fixture.Resource}

func watchCaches(ctx context.Context, s *Subject) (Observation, error) {
	servers, err := s.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	versions := len(s.Site.Form.Versions(s.Profile))
	summary, err := each(servers, func(v server) (string, error) {
		caches, _, err := s.count(ctx, v, "apiserver_watch_cache_initializations_total", ofInstances)
		switch {
		case caches == 0:
			return "none", err
		case caches == 1:
			return "one", err
		case int(caches) == versions:
			return "one for each version", err
		default:
			return fmt.Sprint(caches), err
		}
	})
	return Observation{Summary: summary}, err
}

func storageMetrics(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	servers, err := s.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	summary, err := each(servers, func(v server) (string, error) {
		var counted []string
		for _, metric := range []struct{ name, what string }{
			{"apiserver_resource_objects", "objects"}, {"etcd_requests_total", "requests to etcd"},
		} {
			_, there, err := s.count(ctx, v, metric.name, ofInstances)
			if err != nil {
				return "", err
			}
			if there {
				counted = append(counted, metric.what)
			}
		}
		if len(counted) == 0 {
			return "counts nothing", nil
		}
		return "counts " + strings.Join(counted, " and "), nil
	})
	return Observation{Summary: summary}, err
}

func librarySkew(ctx context.Context, s *Subject) (Observation, error) {
	const library = "k8s.io/apiserver"
	servers, err := s.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	var names, versions []string
	for _, v := range servers {
		info, err := buildinfo.ReadFile(v.Spec.Path)
		if err != nil {
			return Observation{}, fmt.Errorf("could not read what %s is built of: %w", v.name(), err)
		}
		for _, module := range info.Deps {
			if module.Path != library {
				continue
			}
			version := module.Version
			if module.Replace != nil {
				version = module.Replace.Version
			}
			s.recorder.Note(v.Spec.Path, library+" "+version)
			names, versions = append(names, v.name()), append(versions, version)
		}
	}
	skew := ""
	if len(versions) > 1 {
		skew = choose(len(slices.Compact(versions)) == 1, ", of one version", ", of several versions")
	}
	return observed("%s as it is in %s%s", library, strings.Join(names, ", "), skew)
}

func requestMetrics(ctx context.Context, s *Subject) (Observation, error) {
	const metric, requests = "apiserver_request_total", 20
	servers, err := s.servers(ctx)
	if err != nil {
		return Observation{}, err
	}
	// Nobody else deletes what is not there.
	want := labels{"group": fixture.Group, "resource": fixture.Resource, "verb": "DELETE", "code": "404"}
	before := map[string]float64{}
	for _, v := range servers {
		if before[v.name()], _, err = s.count(ctx, v, metric, want); err != nil {
			return Observation{}, err
		}
	}
	for i := range requests {
		if _, err := s.delete(ctx, s.path(fmt.Sprintf("missing-%d", i)), nil); err != nil {
			return Observation{}, err
		}
	}
	summary, err := each(servers, func(v server) (string, error) {
		after, _, err := s.count(ctx, v, metric, want)
		switch more := after - before[v.name()]; {
		case more == 0:
			return "counts none", err
		case more >= requests:
			return "counts them", err
		default:
			return fmt.Sprintf("counts %v", more), err
		}
	})
	return Observation{Summary: fmt.Sprintf("%d requests: %s", requests, summary)}, err
}

func footprint(ctx context.Context, s *Subject) (Observation, error) {
	statuses, err := s.Site.Plane.Runner().List(ctx)
	if err != nil {
		return Observation{}, err
	}
	var beside []string
	for _, status := range statuses {
		s.recorder.Note("process "+status.Spec.Name, fmt.Sprintf("%d MiB resident", status.RSSBytes>>20))
		if !slices.Contains(s.Site.Plane.Components(), status.Spec.Name) {
			beside = append(beside, status.Spec.Name)
		}
	}
	slices.Sort(beside)
	return observed("%s", strings.Join(beside, ", "))
}
