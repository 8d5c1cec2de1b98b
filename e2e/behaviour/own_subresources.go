package behaviour

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/duet-api/duet/e2e/fixture"
	"github.com/duet-api/duet/e2e/wire"
)

var ownSubresourceRows = []Row{
	{
		ID: "D5", Group: Subresource, Title: "Subresources of one's own",
		Why: "To start a backup or a restart is a verb with a right of its own; as a field or an annotation of a custom " +
			"resource, it goes to whoever may write the rest of it as well.",
		Source: "custom-resources, Other subresources; kubernetes#72637 (open)", Flag: Documented,
		Expect: Expectation{
			CRD: "restart 404 NotFound, not asked for; backup 404 NotFound, no Job; no such service 404 NotFound",
			Aggregated: "restart 201, asked for in the annotation; backup 201, its Job of the CronJob db-backup; " +
				"no such service 404 NotFound",
		},
		Probe: ownVerbs,
	},
	{
		ID: "D8", Group: Subresource, Title: "Kinds that can only be created",
		Why: "A question with its answer, such as a SubjectAccessReview, is an API call and no object; " +
			"as a custom resource each one is stored, watched and has to be deleted.",
		Source: "custom-resources, Other subresources; TokenReview and its like in the built-in API", Flag: Undocumented,
		Expect: Expectation{
			CRD:        "create 404 " + wire.NoStatus + ", no verdict; list 404 " + wire.NoStatus,
			Aggregated: "create 201, refused: datadir; list 405 MethodNotAllowed",
		},
		Probe: createOnly,
	},
	{
		ID: "D9", Group: Subresource, Title: "Reads that are computed",
		Why: "What changes by the second is worth knowing and not worth storing: " +
			"a custom resource can show only what somebody has written to it.",
		Source: "custom-resources, Custom Storage and Other subresources; kagent-dev/tools#69 for LIST that is not GET",
		Flag:   Documented,
		Expect: Expectation{
			CRD:        "metrics 404 NotFound; LIST and GET of the object agree",
			Aggregated: "metrics 200, computed anew for each read, with a line for db-0; LIST and GET of the object agree",
		},
		Probe: computedReads,
	},
	{
		ID: "D10", Group: Subresource, Title: "Policies and reads",
		Why: "No admission plugin, policy or webhook is ever asked about a read: what may be read is up to the authorizer, " +
			"or to a server that computes the answer.",
		Source: "admission-controllers: admission is for create, update, delete and connect; tigera/docs native-v3-crds.mdx, " +
			"Known limitations", Flag: Documented, Labels: []string{Slow},
		Expect: Expectation{
			CRD: "a policy against everything: create 422 Invalid, restart 404 NotFound; " +
				"get 200, list 200, watch 200, get scale 200, metrics 404 NotFound",
			Aggregated: "a policy against everything: create 422 Invalid, restart 422 Invalid; " +
				"get 200, list 200, watch 200, get scale 200, metrics 200",
		},
		Probe: policyAndReads,
	},
}

func ownVerbs(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	restart, err := s.post(ctx, s.path("db", "restart"), map[string]any{})
	if err != nil {
		return Observation{}, err
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	_, annotated := object.GetAnnotations()[fixture.Group+"/restarted-at"]

	// 409 as long as the controller has not made the CronJob.
	var backup *wire.Answer
	err = eventually(ctx, "a backup without a conflict", func(ctx context.Context) (bool, error) {
		backup, err = s.post(ctx, s.path("db", "backup"), map[string]any{})
		return err == nil && backup.Code != 409, err
	})
	if err != nil {
		return Observation{}, err
	}
	job, err := s.jobOf(ctx, backup)
	if err != nil {
		return Observation{}, err
	}
	unknown, err := s.post(ctx, s.path("db", "defragment"), map[string]any{})
	if err != nil {
		return Observation{}, err
	}
	return observed("restart %s, %s; backup %s, %s; no such service %s", restart.Verdict(),
		choose(annotated, "asked for in the annotation", "not asked for"), backup.Verdict(), job, unknown.Verdict())
}

// jobOf is the Job that the answer to a backup names, in words.
func (s *Subject) jobOf(ctx context.Context, backup *wire.Answer) (string, error) {
	if !backup.OK() {
		return "no Job", nil
	}
	answer, err := backup.Object()
	if err != nil {
		return "", err
	}
	name, _, err := unstructured.NestedString(answer.Object, "status", "jobName")
	if err != nil {
		return "", fmt.Errorf("could not read the answer: %w", err)
	}
	job, err := stored(s.get(ctx, "/apis/batch/v1/namespaces/"+s.Namespace+"/jobs/"+name))
	if err != nil {
		return "", err
	}
	if owner := metav1.GetControllerOf(job); owner != nil {
		return "its Job of the " + owner.Kind + " " + owner.Name, nil
	}
	return "its Job of nobody", nil
}

func createOnly(ctx context.Context, s *Subject) (Observation, error) {
	const path = "/apis/" + fixture.Group + "/" + fixture.V1 + "/mysqlparameterreviews"
	created, err := s.post(ctx, path, map[string]any{"spec": map[string]any{
		"version": "8.4.3",
		"parameters": []any{
			map[string]any{"name": "max_connections", "value": "100"},
			map[string]any{"name": "datadir", "value": "/tmp"},
		},
	}})
	if err != nil {
		return Observation{}, err
	}
	verdict := "no verdict"
	if created.OK() {
		var review struct {
			Status struct{ Refused []struct{ Name string } }
		}
		if err := json.Unmarshal(created.Body, &review); err != nil {
			return Observation{}, fmt.Errorf("could not read the review: %w", err)
		}
		var refused []string
		for _, parameter := range review.Status.Refused {
			refused = append(refused, parameter.Name)
		}
		verdict = "refused: " + strings.Join(refused, " ")
	}
	list, err := s.get(ctx, path)
	if err != nil {
		return Observation{}, err
	}
	return observed("create %s, %s; list %s", created.Verdict(), verdict, list.Verdict())
}

func computedReads(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	first, err := s.get(ctx, s.path("db", "metrics"))
	if err != nil {
		return Observation{}, err
	}
	metrics := first.Verdict()
	if first.OK() {
		lines, err := s.computedAnew(ctx, first)
		if err != nil {
			return Observation{}, err
		}
		metrics += ", computed anew for each read, with a line for " + lines
	}
	agree := false
	err = eventually(ctx, "LIST and GET of one resourceVersion", func(ctx context.Context) (bool, error) {
		list, err := stored(s.get(ctx, s.path()))
		if err != nil {
			return false, err
		}
		got, err := s.read(ctx)
		if err != nil {
			return false, err
		}
		items, err := list.ToList()
		if err != nil || len(items.Items) != 1 {
			return false, err
		}
		if items.Items[0].GetResourceVersion() != got.GetResourceVersion() {
			return false, nil // The controller wrote in between.
		}
		// Items of a list need not repeat what kind they are.
		items.Items[0].SetGroupVersionKind(got.GroupVersionKind())
		agree = apiequality.Semantic.DeepEqual(items.Items[0].Object, got.Object)
		return true, nil
	})
	if err != nil {
		return Observation{}, err
	}
	return observed("metrics %s; LIST and GET of the object %s", metrics, choose(agree, "agree", "differ"))
}

// computedAnew waits for an answer that was made at another time than the first one, and returns the names of its
// servers. Nothing has been written in between that it could have been read from.
func (s *Subject) computedAnew(ctx context.Context, first *wire.Answer) (string, error) {
	before, err := first.Object()
	if err != nil {
		return "", err
	}
	var servers []string
	err = eventually(ctx, "metrics of another time", func(ctx context.Context) (bool, error) {
		now, err := stored(s.get(ctx, s.path("db", "metrics")))
		if err != nil || show(now, "timestamp") == show(before, "timestamp") {
			return false, err
		}
		lines, _, err := unstructured.NestedSlice(now.Object, "servers")
		for _, line := range lines {
			server, _ := line.(map[string]any)
			name, _ := server["name"].(string)
			servers = append(servers, name)
		}
		return true, err
	})
	return strings.Join(servers, " "), err
}

func policyAndReads(ctx context.Context, s *Subject) (Observation, error) {
	if _, err := s.create(ctx, fixture.Instance("db")); err != nil {
		return Observation{}, err
	}
	rules := onWrites()
	rules[0].Operations = []admissionv1.OperationType{admissionv1.OperationAll}
	rules[0].Resources = []string{fixture.Resource + "/*", fixture.Resource}
	if err := s.refuse(ctx, rules, "false"); err != nil {
		return Observation{}, err
	}
	var create *wire.Answer
	err := eventually(ctx, "the policy enforced", func(ctx context.Context) (bool, error) {
		var err error
		create, err = s.post(ctx, s.path(), fixture.Instance("trial"), wire.Query("dryRun", metav1.DryRunAll))
		return err == nil && !create.OK(), err
	})
	if err != nil {
		return Observation{}, err
	}
	writes, err := answers(ctx, s.client, []try{
		{title: "restart", method: "POST", path: s.path("db", "restart"), body: map[string]any{}},
	})
	if err != nil {
		return Observation{}, err
	}
	reads, err := answers(ctx, s.client, []try{
		{title: "get", method: "GET", path: s.path("db")},
		{title: "list", method: "GET", path: s.path()},
		{title: "watch", method: "GET", path: s.path(),
			options: []wire.Option{wire.Query("watch", "true"), wire.Query("timeoutSeconds", "1")}},
		{title: "get scale", method: "GET", path: s.path("db", "scale")},
		{title: "metrics", method: "GET", path: s.path("db", "metrics")},
	})
	return Observation{Summary: fmt.Sprintf("a policy against everything: create %s, %s; %s",
		create.Verdict(), writes, reads)}, err
}
