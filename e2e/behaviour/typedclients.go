package behaviour

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/duet-api/duet/e2e/fixture"
	mysqlinstall "github.com/duet-api/duet/shared/api/mysql/install"
	mysqlv1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/client/clientset/versioned"
)

// typedClientRows look at what a Go program with the API's types does, on the wire.
var typedClientRows = []Row{
	{
		ID: "I3", Group: Clients, Title: "StrategicMergeFrom of a Go client",
		Why: "A controller that was written for built-in kinds compiles against both forms, " +
			"and fails at run time against one.",
		Source: "controller-runtime pkg/client/patch.go; kubernetes#97423", Flag: Documented,
		Expect: Expectation{CRD: "UnsupportedMediaType", Aggregated: "patched, parameters: max_connections, sort_buffer_size"},
		Probe:  strategicMergeFrom,
	},
	{
		ID: "I4", Group: Clients, Title: "A typed client that prefers protobuf",
		Why:    "Large lists cost a fraction to send and read, if the server has protobuf to offer.",
		Source: "custom-resources, Protocol Buffers; kubernetes#63677", Flag: Documented,
		Expect: Expectation{
			CRD:        "50 objects of the same content as application/json, as large as JSON",
			Aggregated: "50 objects of the same content as application/vnd.kubernetes.protobuf, less than two thirds of JSON",
		},
		Probe: protobufClient,
	},
}

// controllerRuntime is a client as controllers have it, which knows the API's types.
func (s *Subject) controllerRuntime() (client.Client, error) {
	scheme := runtime.NewScheme()
	mysqlinstall.Install(scheme)
	c, err := client.New(s.Config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("could not make a controller-runtime client: %w", err)
	}
	return c, nil
}

func strategicMergeFrom(ctx context.Context, s *Subject) (Observation, error) {
	created, err := s.create(ctx, fixture.Instance("db",
		fixture.With("spec.parameters", []any{parameter("max_connections", "200")})))
	if err != nil {
		return Observation{}, err
	}
	c, err := s.controllerRuntime()
	if err != nil {
		return Observation{}, err
	}
	before := &mysqlv1.MySQLInstance{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(created.Object, before); err != nil {
		return Observation{}, fmt.Errorf("could not make a typed object: %w", err)
	}
	after := before.DeepCopy()
	after.Spec.Parameters = append(after.Spec.Parameters, mysqlv1.Parameter{Name: "sort_buffer_size", Value: "1M"})
	if err := c.Patch(ctx, after, client.StrategicMergeFrom(before)); err != nil {
		return observed("%s", apierrors.ReasonForError(err))
	}
	object, err := s.read(ctx)
	if err != nil {
		return Observation{}, err
	}
	return observed("patched, parameters: %s", parameters(object))
}

// wideList is the number of objects in a list that is compared in size.
const wideList = 50

func protobufClient(ctx context.Context, s *Subject) (Observation, error) {
	for i := range wideList {
		if _, err := s.create(ctx, fixture.Instance(fmt.Sprintf("db-%02d", i))); err != nil {
			return Observation{}, err
		}
	}
	config := rest.CopyConfig(s.Config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	typed, err := versioned.NewForConfig(config)
	if err != nil {
		return Observation{}, fmt.Errorf("could not make a typed client: %w", err)
	}
	mediaType := ""
	var raw, inJSON []byte
	// The controller writes a status to each, and the two lists have to be of one moment.
	err = eventually(ctx, "two equal lists", func(ctx context.Context) (bool, error) {
		before, err := s.get(ctx, s.path())
		if err != nil {
			return false, err
		}
		raw, err = typed.MysqlV1().RESTClient().Get().AbsPath(s.path()).Do(ctx).ContentType(&mediaType).Raw()
		if err != nil {
			return false, fmt.Errorf("could not list with a client that prefers protobuf: %w", err)
		}
		after, err := s.get(ctx, s.path())
		if err != nil {
			return false, err
		}
		inJSON = after.Body
		return len(before.Body) == len(after.Body), nil
	})
	if err != nil {
		return Observation{}, err
	}
	list, err := typed.MysqlV1().MySQLInstances(s.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return Observation{}, fmt.Errorf("could not list with a client that prefers protobuf: %w", err)
	}
	same := "the same content"
	for _, item := range list.Items {
		if item.Spec.Version != "8.4.3" || item.Spec.Storage.VolumeSize.String() != "1Gi" {
			same = "another content"
		}
	}
	size := "as large as JSON"
	if 3*len(raw) < 2*len(inJSON) {
		size = "less than two thirds of JSON"
	}
	return observed("%d objects of %s as %s, %s", len(list.Items), same, mediaType, size)
}
