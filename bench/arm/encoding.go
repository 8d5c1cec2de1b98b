package arm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"

	mysqlv1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// Encoding is how the bodies of an arm's requests and answers are written.
type Encoding string

// The encodings.
const (
	// JSON is what every server speaks.
	JSON Encoding = "JSON"
	// Protobuf is what servers of typed resources may speak.
	Protobuf Encoding = "protobuf"
	// CBOR is the binary encoding that custom resources may have, behind a feature gate of the server.
	CBOR Encoding = "CBOR"
)

// contentType as it stands in the headers.
func (e Encoding) contentType() string {
	switch e {
	case Protobuf:
		return runtime.ContentTypeProtobuf
	case CBOR:
		return runtime.ContentTypeCBOR
	}
	return runtime.ContentTypeJSON
}

// As is what asks for an answer of another kind of the group meta.k8s.io: a table, or lists of metadata alone.
func (e Encoding) As(kind string) string {
	return e.contentType() + ";as=" + kind + ";g=" + metav1.GroupName + ";v=v1"
}

// VersionMark is what an object of that resource version has in it, and hardly any other. A binary encoding writes the
// version as plain text, too.
func (e Encoding) VersionMark(resourceVersion string) []byte {
	if e == JSON || e == "" {
		return fmt.Appendf(nil, `"resourceVersion":%q`, resourceVersion)
	}
	return []byte(resourceVersion)
}

// scheme knows the kinds of the corpus.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		mysqlv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, metav1.AddMetaToScheme,
	} {
		if err := add(s); err != nil {
			panic(err) // kinds of one name twice: a mistake in this file
		}
	}
	return s
}()

var (
	protobufSerializer = protobuf.NewSerializer(scheme, scheme)
	cborSerializer     = cbor.NewSerializer(scheme, scheme)
)

// encode adds the filled-in object in a binary encoding to a buffer.
func (v variant) encode(to []byte, in Encoding, object Object) ([]byte, error) {
	if v.object == nil {
		return nil, fmt.Errorf("could not encode an object of the corpus as %s: it is there as JSON only", in)
	}
	filled := v.object.DeepCopyObject()
	accessor, err := meta.Accessor(filled)
	if err != nil {
		return nil, fmt.Errorf("could not fill in an object of the corpus: %w", err)
	}
	accessor.SetName(object.Name)
	accessor.SetNamespace(object.Namespace)
	accessor.SetResourceVersion(object.ResourceVersion)
	accessor.GetLabels()[setLabel] = object.Set
	v.setRevision(filled, object.revisionText())
	buffer := bytes.NewBuffer(to)
	var encoder runtime.Encoder = protobufSerializer
	if in == CBOR {
		encoder = cborSerializer
	}
	if err := encoder.Encode(filled, buffer); err != nil {
		return nil, fmt.Errorf("could not encode an object of the corpus as %s: %w", in, err)
	}
	return buffer.Bytes(), nil
}

// Meta is what the benchmark needs to know of an object that a server sent.
type Meta struct {
	Name            string `json:"name"`
	ResourceVersion string `json:"resourceVersion"`
}

// meta reads the metadata of an object.
func (e Encoding) meta(object []byte) (Meta, error) {
	var read metav1.PartialObjectMetadata
	if err := e.unmarshal(object, &read); err != nil {
		return Meta{}, fmt.Errorf("could not read the metadata of an answer: %w", err)
	}
	return Meta{Name: read.Name, ResourceVersion: read.ResourceVersion}, nil
}

// items reads the resource version of a list, and the metadata of its items.
func (e Encoding) items(list []byte) (resourceVersion string, items []Meta, err error) {
	var read metav1.PartialObjectMetadataList
	if err := e.unmarshal(list, &read); err != nil {
		return "", nil, fmt.Errorf("could not read a list: %w", err)
	}
	items = make([]Meta, len(read.Items))
	for i, item := range read.Items {
		items[i] = Meta{Name: item.Name, ResourceVersion: item.ResourceVersion}
	}
	return read.ResourceVersion, items, nil
}

// token finds what continues a list, without reading its objects: whoever pages has to know it between two
// requests of one measurement. It is empty on the last page.
func (e Encoding) token(list []byte) (string, error) {
	if e == JSON || e == "" {
		const field = `"continue":"` // of a list's metadata, which may follow its items; it is never escaped
		_, rest, found := bytes.Cut(list, []byte(field))
		token, _, closed := bytes.Cut(rest, []byte{'"'})
		if found != closed {
			return "", errors.New("could not read a list: its metadata is cut off")
		}
		return string(token), nil
	}
	var read metav1.List
	if err := e.unmarshal(list, &read); err != nil {
		return "", fmt.Errorf("could not read a list: %w", err)
	}
	return read.Continue, nil
}

// message is what all three encodings can be read into.
type message interface{ Unmarshal(data []byte) error }

// unmarshal reads the metadata out of any object or list: their fields have the same names everywhere and, in protobuf,
// the same numbers, and what else is there is skipped.
func (e Encoding) unmarshal(data []byte, into message) error {
	switch e {
	case Protobuf:
		raw, found := bytes.CutPrefix(data, protobufMagic)
		if !found {
			return errors.New("it is not protobuf of Kubernetes")
		}
		var envelope runtime.Unknown
		if err := envelope.Unmarshal(raw); err != nil {
			return err
		}
		return into.Unmarshal(envelope.Raw)
	case CBOR:
		// The library's own decoding into types refuses every field that a type does not have.
		var content map[string]any
		if err := direct.Unmarshal(data, &content); err != nil {
			return err
		}
		return runtime.DefaultUnstructuredConverter.FromUnstructured(content, into)
	}
	return json.Unmarshal(data, into)
}

// protobufMagic begins every protobuf body of Kubernetes.
var protobufMagic = []byte("k8s\x00")
