package arm

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

// Events come in any size, and a large one leaves nothing of itself for the next.
func TestBinaryEventsOfAnySize(t *testing.T) {
	small, err := MySQLInstances(7)
	if err != nil {
		t.Fatal(err)
	}
	large, err := small.Sized(8 * usualFrame)
	if err != nil {
		t.Fatal(err)
	}
	for encoding, test := range map[Encoding]struct {
		writer  func(io.Writer) io.Writer
		marshal func(*metav1.WatchEvent) ([]byte, error)
	}{
		Protobuf: {protobuf.LengthDelimitedFramer.NewFrameWriter, (*metav1.WatchEvent).Marshal},
		CBOR:     {cbor.NewFramer().NewFrameWriter, func(e *metav1.WatchEvent) ([]byte, error) { return direct.Marshal(e) }},
	} {
		t.Run(string(encoding), func(t *testing.T) {
			var stream bytes.Buffer
			writer := test.writer(&stream)
			var want []Meta
			for i, kind := range []*Kind{small, large, small, large} {
				meta := Meta{Name: "a", ResourceVersion: string(rune('1' + i))}
				want = append(want, meta)
				body, err := kind.Append(nil, encoding, Object{Namespace: "ns", Name: meta.Name, ResourceVersion: meta.ResourceVersion})
				if err != nil {
					t.Fatal(err)
				}
				event, err := test.marshal(&metav1.WatchEvent{Type: "MODIFIED", Object: runtime.RawExtension{Raw: body}})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := writer.Write(event); err != nil {
					t.Fatal(err)
				}
			}
			var got []Meta
			err := read(encoding.events(io.NopCloser(&stream)), func(event Event) { got = append(got, event.Meta) })
			if !errors.Is(err, io.EOF) {
				t.Errorf("the stream ended with %v", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("unexpected events (-want +got):\n%s", diff)
			}
		})
	}
}
