package switching

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/duet-api/duet/shared/install"
)

// rewrite has the server that serves store as JSON what it once stored as protobuf: a CustomResourceDefinition could not
// read it. A write that changes nothing is enough, since the server compares bytes. What is encrypted is written in any
// case: nobody can see what it is.
func (m *move) rewrite(ctx context.Context) error {
	source, err := openStore(ctx, m.from.plan.Etcd)
	if err != nil {
		return err
	}
	defer source.close()
	stored, err := source.read(ctx)
	if err != nil {
		return err
	}
	protobufs, encrypted := stored.beginningWith(protobufPrefix), stored.beginningWith(encryptedPrefix)
	if len(protobufs)+len(encrypted) == 0 {
		m.check("every object is stored in the encoding of a CustomResourceDefinition")
		return nil
	}
	if err := m.rewriteKeys(ctx, slices.Concat(protobufs, encrypted)); err != nil {
		return err
	}
	if stored, err = source.read(ctx); err != nil {
		return err
	}
	if left := stored.beginningWith(protobufPrefix); len(left) > 0 {
		return fmt.Errorf("%d objects are still stored as protobuf, %s the first: a server stores it in spite of its flags",
			len(left), left[0])
	}
	if len(protobufs) > 0 {
		m.check("%d objects that were stored as protobuf are stored as JSON now", len(protobufs))
	}
	if len(encrypted) > 0 {
		m.check("%d objects are encrypted, and were written once more: as JSON, whatever they were", len(encrypted))
	}
	return nil
}

func (m *move) rewriteKeys(ctx context.Context, keys []string) error {
	objects, err := dynamic.NewForConfig(m.installer.Env.Config())
	if err != nil {
		return err
	}
	return m.inParallel(ctx, len(keys), "objects are rewritten", func(ctx context.Context, i int) error {
		namespace, name, ok := strings.Cut(keys[i], "/")
		if !ok {
			return fmt.Errorf("there is an object without a namespace below the key %s", keys[i])
		}
		_, err := objects.Resource(install.Resource).Namespace(namespace).Patch(ctx, name, types.MergePatchType, []byte("{}"),
			metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("could not rewrite %s: %w", keys[i], err)
		}
		return nil
	})
}
