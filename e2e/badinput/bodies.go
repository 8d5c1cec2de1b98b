package badinput

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/duet-api/duet/e2e/fixture"
	mysqlinstall "github.com/duet-api/duet/shared/api/mysql/install"
	mysqlv1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const mebibyte = 1 << 20

func text(body string) func() any { return func() any { return body } }

func object(edits ...fixture.Edit) func() any {
	return func() any { return fixture.Instance("bad", edits...) }
}

// raw is a v1 object as text, so that its spec can be what no encoder writes.
func raw(spec string) func() any {
	return text(fmt.Sprintf(`{"apiVersion":"%s/%s","kind":"%s","metadata":{"name":"bad"},"spec":%s}`,
		fixture.Group, fixture.V1, fixture.Kind, spec))
}

// valid is a spec with everything that it must have, and more of it.
func valid(more string) string {
	return `{"version":"8.4.3","storage":{"size":"1Gi"}` + more + `}`
}

func nestedArrays(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

// longFinalizers are more than a size of valid finalizers, which is all of an object that has no bound of its own.
func longFinalizers(size int) []any {
	prefix := strings.Repeat("abcdefgh.", 25) + "example.com/"
	var names []any
	for i := range size/len(prefix) + 1 {
		names = append(names, fmt.Sprintf("%s%06d", prefix, i))
	}
	return names
}

func protobufObject() any {
	scheme := runtime.NewScheme()
	mysqlinstall.Install(scheme)
	instance := &mysqlv1.MySQLInstance{}
	utilruntime.Must(runtime.DefaultUnstructuredConverter.FromUnstructured(fixture.Instance("bad").Object, instance))
	body, err := runtime.Encode(protobuf.NewSerializer(scheme, scheme), instance)
	utilruntime.Must(err)
	return body
}

// yamlBomb is a few lines that would be a billion values if every alias were followed.
func yamlBomb() any {
	lines := []string{"a: &a [" + strings.Repeat("x, ", 8) + "x]"}
	for letter := 'b'; letter <= 'i'; letter++ {
		before := string(letter - 1)
		lines = append(lines, fmt.Sprintf("%c: &%c [%s]", letter, letter, strings.Repeat("*"+before+", ", 8)+"*"+before))
	}
	return strings.Join(lines, "\n") + "\n"
}
