package subresource

import (
	"context"
	"fmt"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/names"
)

// LogSubresource is how paths call it. kube-apiserver ends a request that it forwards after 60 seconds, unless the verb is
// watch or proxy, or the subresource is one of attach, exec, log, portforward and proxy, of whatever resource. Nothing
// can be added to that list, so a subresource that streams has to be called like one of them.
const LogSubresource = "log"

// Log is the log subresource: GET reads the log of one server, or follows it for as long as the client listens.
//
// It is a Getter whose answer is a stream (rest.ResourceStreamer), and not a Connecter: so the generic server looks at
// its options, describes them in OpenAPI, and serves the stream over HTTP and, to a browser, over a WebSocket.
type Log struct {
	instances
	pods coreclient.PodsGetter
	// streams ends when no stream may go on.
	streams context.Context
}

var (
	_ rest.Storage           = &Log{}
	_ rest.GetterWithOptions = &Log{}
	_ rest.StorageMetadata   = &Log{}
)

// NewLog returns the subresource of the instances in a store. The client reads pods and their logs. The context ends the
// streams that are open: a server that stops would wait for them.
func NewLog(streams context.Context, store rest.Getter, pods coreclient.PodsGetter) *Log {
	return &Log{instances: instances{store}, pods: pods, streams: streams}
}

// New returns the parent's kind, as pods/log does: a log has none.
func (*Log) New() runtime.Object { return &mysql.MySQLInstance{} }

// Destroy does nothing: the main resource owns the storage.
func (*Log) Destroy() {}

// NewGetOptions is what the query parameters are read into.
func (*Log) NewGetOptions() (runtime.Object, bool, string) {
	return &v1.MySQLInstanceLogOptions{}, false, ""
}

// ProducesMIMETypes for OpenAPI.
func (*Log) ProducesMIMETypes(string) []string { return []string{"text/plain"} }

// ProducesObject for OpenAPI: text.
func (*Log) ProducesObject(string) any { return "" }

// OverrideMetricsVerb counts the requests apart from short ones, as pods/log does.
func (*Log) OverrideMetricsVerb(verb string) string {
	if verb == http.MethodGet {
		return "CONNECT"
	}
	return verb
}

// Get checks the options, and finds the server.
func (r *Log) Get(ctx context.Context, name string, options runtime.Object) (runtime.Object, error) {
	asked := options.(*v1.MySQLInstanceLogOptions)
	if errs := validateLogOptions(asked); len(errs) > 0 {
		return nil, apierrors.NewInvalid(mysql.Kind("MySQLInstanceLogOptions"), name, errs)
	}
	instance, err := r.get(ctx, name)
	if err != nil {
		return nil, err
	}
	pod, err := server(ctx, r.pods, instance, int(asked.Server))
	if err != nil {
		return nil, relayed(fmt.Sprintf("find server %d", asked.Server), err)
	}
	return &logStream{pods: r.pods, streams: r.streams, pod: pod, asked: asked}, nil
}

// maxOrdinal is the highest number that a pod's name has; it keeps a number that no int32 holds from wrapping around.
const maxOrdinal = 1<<31 - 1

func validateLogOptions(options *v1.MySQLInstanceLogOptions) field.ErrorList {
	var errs field.ErrorList
	if options.Server < 0 || options.Server > maxOrdinal {
		errs = append(errs, field.Invalid(field.NewPath("server"), options.Server, "must be the ordinal of a server"))
	}
	if options.TailLines != nil && *options.TailLines < 0 {
		errs = append(errs, field.Invalid(field.NewPath("tailLines"), *options.TailLines, "must not be negative"))
	}
	return errs
}

// logStream is the answer: the generic server asks it for a stream and copies that to the client.
type logStream struct {
	pods    coreclient.PodsGetter
	streams context.Context
	pod     *corev1.Pod
	asked   *v1.MySQLInstanceLogOptions
}

var _ rest.ResourceStreamer = &logStream{}

// InputStream opens pods/log at kube-apiserver, which reads it from the kubelet. The stream ends with the request, with
// the server, or by itself.
func (s *logStream) InputStream(ctx context.Context, _, _ string) (io.ReadCloser, bool, string, error) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(s.streams, cancel)
	stream, err := s.pods.Pods(s.pod.Namespace).GetLogs(s.pod.Name, &corev1.PodLogOptions{
		Container:  names.ServerContainer,
		Follow:     s.asked.Follow,
		Previous:   s.asked.Previous,
		Timestamps: s.asked.Timestamps,
		TailLines:  s.asked.TailLines,
	}).Stream(ctx)
	if err != nil {
		release()
		cancel()
		return nil, false, "", relayed(fmt.Sprintf("read the log of server %d", s.asked.Server), err)
	}
	return &closing{ReadCloser: stream, done: func() { release(); cancel() }}, s.asked.Follow, "text/plain", nil
}

// GetObjectKind is empty: a stream is no kind.
func (*logStream) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject is never called: nothing keeps a stream.
func (*logStream) DeepCopyObject() runtime.Object { panic("a stream cannot be copied") }

// closing lets go of what was held for a stream.
type closing struct {
	io.ReadCloser
	done func()
}

func (c *closing) Close() error {
	defer c.done()
	return c.ReadCloser.Close()
}
