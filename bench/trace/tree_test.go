package trace

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/e2e/otlp"
)

// recording is one request and its spans, as kube-apiserver and etcd of Kubernetes 1.36 and the aggregated server
// reported them, with times since the request's start.
type recording struct {
	Request Request
	Spans   []otlp.Span
}

func recorded(t *testing.T) map[string]recording {
	t.Helper()
	data, err := os.ReadFile("testdata/requests.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]recording{}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (r recording) tree() *node { return newForest(r.Spans).tree(r.Request) }

func TestPartsOfRecordedRequests(t *testing.T) {
	recordings := recorded(t)
	tests := map[string]map[Part]int64{ // microseconds
		"get-many aggregated": {
			Connection: 945, FrontChain: 459, Hop: 1369, SecondChain: 666, Review: 2043, Store: 71, StorageHop: 533,
			StorageWork: 432, Decode: 171, Encode: 131, Unattributed: 7,
		},
		"get-many aggregated-direct": {
			Connection: 780, SecondChain: 464, Review: 2256, Store: 55, StorageHop: 395, StorageWork: 326, Decode: 192,
			Encode: 87, Unattributed: 10,
		},
		"create crd": {
			Connection: 738, FrontChain: 281, Decode: 639, Validate: 1239, Webhook: 1371, Store: 56, StorageHop: 1364,
			StorageWork: 772, Encode: 201, Unattributed: 7,
		},
		// The call of the webhook and the transaction are spans side by side, which overlap.
		"update crd": {
			Connection: 8289, FrontChain: 674, Decode: 1120, Validate: 4274, Webhook: 3566, Store: 239, StorageHop: 766,
			StorageWork: 6137, Encode: 209, Unattributed: 17,
		},
		"list-500 crd": {
			Connection: 11447, FrontChain: 474, Store: 381, StorageHop: 703, StorageWork: 315, Decode: 39, Encode: 149890,
			Unattributed: 44,
		},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			got := map[Part]int64{}
			for part, time := range divided(recordings[name].tree()).parts {
				got[part] = int64(time) / 1000
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("unexpected parts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPartsAddUp(t *testing.T) {
	for name, r := range recorded(t) {
		one := divided(r.tree())
		sum, at := 0.0, int64(0)
		for _, time := range one.parts {
			sum += time
		}
		if int64(sum) != one.total || one.total != r.Request.End {
			t.Errorf("%s: the parts are %v, the request took %v", name, time.Duration(sum), time.Duration(r.Request.End))
		}
		for _, p := range one.typical() {
			if p.Start != at || p.Length <= 0 {
				t.Errorf("%s: a piece begins at %v and lasts %v, the one before ended at %v", name, p.Start, p.Length, at)
			}
			at = p.Start + p.Length
		}
		if at != r.Request.End {
			t.Errorf("%s: the pieces end at %v, the request at %v", name, at, r.Request.End)
		}
	}
}

// TestWhole takes spans away, one at a time: whatever a server sent elsewhere must be there.
func TestWhole(t *testing.T) {
	r := recorded(t)["get-many aggregated"]
	if !r.tree().whole() {
		t.Fatal("the recorded request is not whole")
	}
	for _, lost := range []struct{ component, name string }{
		{FrontServer, "GET /apis/mysql.example.com/v1/namespaces/{:namespace}/mysqlinstances/{:name}"},
		{OwnServer, "GET /apis/mysql.example.com/v1/namespaces/{:namespace}/mysqlinstances/{:name}"},
		{FrontServer, "POST /apis/authorization.k8s.io/v1/subjectaccessreviews"},
		{Storage, "etcdserverpb.KV/Range"},
	} {
		without := recording{r.Request, slices.DeleteFunc(slices.Clone(r.Spans), func(s otlp.Span) bool {
			return s.Component == lost.component && s.Name == lost.name
		})}
		if without.tree().whole() {
			t.Errorf("whole without the span %q of %s", lost.name, lost.component)
		}
	}
	webhook := recorded(t)["create crd"]
	if !webhook.tree().whole() {
		t.Error("not whole because a webhook reported nothing")
	}
}

// TestUnknownSpansAreUnattributed: what nobody wrote a rule for is not given to a part that looks right.
func TestUnknownSpansAreUnattributed(t *testing.T) {
	r := recorded(t)["get-one crd"]
	before := divided(r.tree()).parts
	for i := range r.Spans {
		if r.Spans[i].Name == "SerializeObject" {
			r.Spans[i].Name = "Something new"
		}
	}
	after := divided(r.tree()).parts
	if moved := before[Encode] - after[Encode]; moved <= 0 || after[Unattributed] < moved {
		t.Errorf("encode had %v and has %v, unattributed has %v", before[Encode], after[Encode], after[Unattributed])
	}
}
