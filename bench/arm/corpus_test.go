package arm

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/install"
	mysqlv1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/validation"
)

func kinds(t *testing.T, seed uint64) map[string]*Kind {
	t.Helper()
	instances, err := MySQLInstances(seed)
	if err != nil {
		t.Fatal(err)
	}
	configMaps, err := ConfigMaps(seed)
	if err != nil {
		t.Fatal(err)
	}
	ingresses, err := Ingresses(seed)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Kind{"mysqlinstances": instances, "configmaps": configMaps, "ingresses": ingresses}
}

func rendered(t *testing.T, kind *Kind, object Object) []byte {
	t.Helper()
	text, err := kind.Append(nil, JSON, object)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var sample = Object{Namespace: "ns", Name: "name-1", ResourceVersion: "123", Revision: 5}

// TestInstancesPassTheRules is why a benchmark may call every refusal an error: the API accepts the whole corpus.
func TestInstancesPassTheRules(t *testing.T) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder(mysql.SchemeGroupVersion)
	for _, seed := range []uint64{0, 7, 1 << 60} {
		kind := kinds(t, seed)["mysqlinstances"]
		for i := range corpusSize {
			object := sample
			object.Number = i
			text := rendered(t, kind, object)
			decoded, err := runtime.Decode(decoder, text)
			if err != nil {
				t.Fatalf("seed %d, object %d does not decode: %v\n%s", seed, i, err, text)
			}
			instance := decoded.(*mysql.MySQLInstance)
			if errs := validation.ValidateMySQLInstance(instance); len(errs) > 0 {
				t.Errorf("seed %d, object %d is refused: %v", seed, i, errs)
			}
			if warnings := validation.Warnings(instance, nil); len(warnings) > 0 {
				t.Errorf("seed %d, object %d causes warnings: %v", seed, i, warnings)
			}
		}
	}
}

// TestStatusesPassTheRules is the same for what is sent to the status subresource.
func TestStatusesPassTheRules(t *testing.T) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder(mysql.SchemeGroupVersion)
	kind := kinds(t, 7)["mysqlinstances"]
	for i := range corpusSize {
		object := sample
		object.Number = i
		text, err := kind.AppendStatus(nil, JSON, object)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := runtime.Decode(decoder, text)
		if err != nil {
			t.Fatalf("object %d does not decode: %v\n%s", i, err, text)
		}
		instance := decoded.(*mysql.MySQLInstance)
		if got := instance.Status.Conditions[0].Message; got != "1000005" {
			t.Errorf("the revision is %q, want 1000005", got)
		}
		if errs := validation.ValidateMySQLInstanceStatusUpdate(instance, instance); len(errs) > 0 {
			t.Errorf("object %d is refused: %v", i, errs)
		}
	}
}

func TestEveryPayloadHasTheSameSize(t *testing.T) {
	for name, kind := range kinds(t, 7) {
		for _, bytes := range []int{PayloadBytes, 16 << 10, 128 << 10} {
			sized, err := kind.Sized(bytes)
			if err != nil {
				t.Fatal(err)
			}
			object := sample
			want := bytes + len("name-1"+"ns"+"123"+"1000005"+"s7")
			object.Set = "s7"
			for i := range sized.variants {
				object.Number = i
				if got := len(rendered(t, sized, object)); got != want {
					t.Errorf("%s: object %d has %d bytes, want %d", name, i, got, want)
				}
			}
			if sized.Bytes != bytes || sized.Resource != kind.Resource || sized.Field != kind.Field {
				t.Errorf("%s: the kind of %d bytes says %+v", name, bytes, sized)
			}
		}
	}
}

// A large object that one string makes up would be cheap to encode, and repeated letters cheap to compress.
func TestLargeObjectsAreMadeOfManyStrings(t *testing.T) {
	large, err := kinds(t, 7)["mysqlinstances"].Sized(16 << 10)
	if err != nil {
		t.Fatal(err)
	}
	var instance mysqlv1.MySQLInstance
	if err := json.Unmarshal(rendered(t, large, sample), &instance); err != nil {
		t.Fatal(err)
	}
	if got := len(instance.Annotations); got < 40 {
		t.Errorf("%d annotations, want the padding in many", got)
	}
	for key, value := range instance.Annotations {
		if len(value) > 2*paddingBytes || strings.Contains(value, "xxxxxxxx") {
			t.Errorf("annotation %s is %q", key, value)
		}
	}
}

func TestFieldSelectorMatchesAPart(t *testing.T) {
	both := kinds(t, 7)
	kind := both["mysqlinstances"]
	selected := 0
	for i := range corpusSize {
		object := sample
		object.Number = i
		if got := bytes.Contains(rendered(t, kind, object), []byte(`"version":"8.4.4"`)); got != kind.Selects(i) {
			t.Errorf("Selects(%d) = %v, want %v", i, kind.Selects(i), got)
		}
		if kind.Selects(i) {
			selected++
		}
	}
	if kind.Field != "spec.version=8.4.4" || selected == 0 || selected == corpusSize {
		t.Errorf("%q matches %d of %d", kind.Field, selected, corpusSize)
	}
	if both["configmaps"].HasField() || both["configmaps"].HasStatus() || !both["ingresses"].HasStatus() {
		t.Error("a kind has what it should not have, or not what it should")
	}
}

func TestConfigMapHoldsTheLeavesOfItsInstance(t *testing.T) {
	both := kinds(t, 7)
	var instance mysqlv1.MySQLInstance
	var configMap corev1.ConfigMap
	for kind, into := range map[string]any{"mysqlinstances": &instance, "configmaps": &configMap} {
		decoder := json.NewDecoder(bytes.NewReader(rendered(t, both[kind], sample)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(into); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	want, err := flatten(instance.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, configMap.Data); diff != "" {
		t.Errorf("unexpected data (-want +got):\n%s", diff)
	}
	if got, want := configMap.Data["spec.parameters.0.value"], "1000005"; got != want {
		t.Errorf("the revision is %q, want %q", got, want)
	}
}

func TestCorpusFollowsFromItsSeed(t *testing.T) {
	for name, kind := range kinds(t, 7) {
		first := rendered(t, kind, sample)
		if !bytes.Equal(first, rendered(t, kinds(t, 7)[name], sample)) {
			t.Errorf("%s: equal seeds give different objects", name)
		}
		if bytes.Equal(first, rendered(t, kinds(t, 8)[name], sample)) {
			t.Errorf("%s: different seeds give equal objects", name)
		}
		other := sample
		other.Number = 1
		if bytes.Equal(first, rendered(t, kind, other)) {
			t.Errorf("%s: objects 0 and 1 are equal", name)
		}
	}
}

func TestAppendFillsEveryGapAndNothingElse(t *testing.T) {
	for name, kind := range kinds(t, 7) {
		one, two := sample, sample
		two.Name, two.Namespace, two.ResourceVersion, two.Revision, two.Set = "n2", "ns2", "9", 6, "s2"
		var got [2]map[string]any
		for i, object := range []Object{one, two} {
			if err := json.Unmarshal(rendered(t, kind, object), &got[i]); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		metadata := got[1]["metadata"].(map[string]any)
		want := map[string]any{"name": "n2", "namespace": "ns2", "resourceVersion": "9"}
		for field, value := range want {
			if metadata[field] != value {
				t.Errorf("%s: %s = %v, want %v", name, field, metadata[field], value)
			}
			metadata[field] = got[0]["metadata"].(map[string]any)[field]
		}
		labels := metadata["labels"].(map[string]any)
		if labels[setLabel] != "s2" {
			t.Errorf("%s: the set is %v, want s2", name, labels[setLabel])
		}
		labels[setLabel] = ""
		text, _ := json.Marshal(got[1])
		restored := bytes.Replace(text, []byte("1000006"), []byte("1000005"), 1)
		was, _ := json.Marshal(got[0])
		if diff := cmp.Diff(string(was), string(restored)); diff != "" {
			t.Errorf("%s: objects differ by more than the gaps:\n%s", name, diff)
		}
	}
}

func TestAppendKeepsWhatIsInTheBuffer(t *testing.T) {
	for _, encoding := range []Encoding{JSON, Protobuf, CBOR} {
		kind := kinds(t, 7)["configmaps"]
		got, err := kind.Append([]byte("before "), encoding, sample)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := kind.Append(nil, encoding, sample)
		if err != nil {
			t.Fatal(err)
		}
		if want := append([]byte("before "), alone...); !bytes.Equal(got, want) {
			t.Errorf("%s: Append replaced the buffer", encoding)
		}
	}
}

// TestEncodingsSayTheSame is why arms of different encodings may be compared: they carry one object.
func TestEncodingsSayTheSame(t *testing.T) {
	for name, kind := range kinds(t, 7) {
		for i := range corpusSize {
			object := sample
			object.Number = i
			object.Set = "s7"
			sameInAllEncodings(t, name, func(in Encoding) ([]byte, error) { return kind.Append(nil, in, object) })
			if kind.HasStatus() {
				sameInAllEncodings(t, name, func(in Encoding) ([]byte, error) { return kind.AppendStatus(nil, in, object) })
			}
		}
	}
}

func sameInAllEncodings(t *testing.T, name string, render func(Encoding) ([]byte, error)) {
	t.Helper()
	text, err := render(JSON)
	if err != nil {
		t.Fatal(err)
	}
	want, err := runtime.Decode(serializer.NewCodecFactory(scheme).UniversalDeserializer(), text)
	if err != nil {
		t.Fatal(err)
	}
	for encoding, decoder := range map[Encoding]runtime.Decoder{Protobuf: protobufSerializer, CBOR: cborSerializer} {
		body, err := render(encoding)
		if err != nil {
			t.Fatal(err)
		}
		got, err := runtime.Decode(decoder, body)
		if err != nil {
			t.Fatalf("%s as %s: %v", name, encoding, err)
		}
		want.GetObjectKind().SetGroupVersionKind(got.GetObjectKind().GroupVersionKind())
		if !equality.Semantic.DeepEqual(want, got) {
			t.Errorf("%s: JSON and %s differ:\n%s", name, encoding, cmp.Diff(want, got))
		}
		meta, err := encoding.meta(body)
		if err != nil || meta != (Meta{Name: "name-1", ResourceVersion: "123"}) {
			t.Errorf("%s as %s: metadata %+v, %v", name, encoding, meta, err)
		}
	}
}

func TestTokenOfAPage(t *testing.T) {
	object, err := kinds(t, 7)["configmaps"].Append(nil, JSON, sample)
	if err != nil {
		t.Fatal(err)
	}
	var item corev1.ConfigMap
	if err := json.Unmarshal(object, &item); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"} {
		list := &corev1.ConfigMapList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"},
			ListMeta: metav1.ListMeta{ResourceVersion: "9", Continue: want}, Items: []corev1.ConfigMap{item, item},
		}
		for encoding, encode := range map[Encoding]func() ([]byte, error){
			JSON:     func() ([]byte, error) { return json.Marshal(list) },
			Protobuf: func() ([]byte, error) { return runtime.Encode(protobufSerializer, list) },
			CBOR:     func() ([]byte, error) { return runtime.Encode(cborSerializer, list) },
		} {
			body, err := encode()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := encoding.token(body); err != nil || got != want {
				t.Errorf("%s: token() = %q, %v, want %q", encoding, got, err, want)
			}
		}
	}
	if _, err := JSON.token([]byte(`{"metadata":{"continue":"abc`)); err == nil {
		t.Error("a list that was cut off has a token")
	}
}

func TestTemplateThatDoesNotFit(t *testing.T) {
	if _, err := missingBytes(map[string]string{"a": strings.Repeat("x", 100)}, 10); err == nil {
		t.Error("an object larger than its size was accepted")
	}
	if _, err := kinds(t, 7)["mysqlinstances"].Sized(1000); err == nil {
		t.Error("a kind was made smaller than its objects are")
	}
}
