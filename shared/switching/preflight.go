package switching

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/duet-api/duet/shared/controlplane"
	"github.com/duet-api/duet/shared/install"
	"github.com/duet-api/duet/shared/process"
)

// preflight finds every reason not to begin, and changes nothing.
func (m *move) preflight(ctx context.Context) error {
	var reasons []string
	looks := []func(context.Context) ([]string, error){m.lookAtVersions, m.lookAtGroup}
	if !m.state.Rollback || m.strategy() == API { // Who goes back may do so because it does not answer.
		looks = append(looks, m.lookAtAnswers)
	}
	if m.strategy() != API { // which does not reach any storage
		looks = append(looks, m.lookAtStorage, m.lookAtRevisions, m.lookAtEncryption, m.lookAtEncoding)
	} else {
		looks = append(looks, m.lookAtKinds)
	}
	for _, look := range append(looks, m.lookAtObjects) {
		found, err := look(ctx)
		if err != nil && (len(reasons) == 0 || ctx.Err() != nil) {
			return err
		}
		if err != nil { // For the reasons that there are, most likely: they say what to do.
			found = []string{err.Error()}
		}
		reasons = append(reasons, found...)
	}
	if len(reasons) > 0 {
		return &RefusedError{Reasons: reasons}
	}
	return nil
}

// lookAtStorage: what is stored has to be there to look at.
func (m *move) lookAtStorage(ctx context.Context) ([]string, error) {
	source, err := openStore(ctx, m.from.plan.Etcd)
	if err != nil {
		return nil, err
	}
	defer source.close()
	stored, err := source.read(ctx)
	if err != nil {
		return []string{fmt.Sprintf("%s cannot be read: %v", m.from.form.Storage(m.from.profile), err)}, nil
	}
	if m.strategy() == Shared {
		m.check("both forms use the same keys in %s: nothing has to be copied", m.from.form.Storage(m.from.profile))
		return nil, nil
	}
	m.check("%d objects have to be copied from %s to %s, and writes will be refused meanwhile", len(stored.values),
		m.from.form.Storage(m.from.profile), m.to.form.Storage(m.to.profile))
	return nil, nil
}

// lookAtVersions: whoever uses a version has to find it again, also if the switch is taken back.
func (m *move) lookAtVersions(context.Context) ([]string, error) {
	from, to := sets.New(m.from.versions()...), sets.New(m.to.versions()...)
	if missing := from.Difference(to); missing.Len() > 0 {
		return []string{fmt.Sprintf("%s with profile %s does not serve %s, which is served now", m.to.form.Name(), m.to.profile,
			strings.Join(sets.List(missing), ", "))}, nil
	}
	if surplus := to.Difference(from); surplus.Len() > 0 {
		return []string{fmt.Sprintf("%s with profile %s does not serve %s, which %s does: there would be no way back; change the profile "+
			"first, with `duet install --impl %s --profile NAME`", m.from.form.Name(), m.from.profile,
			strings.Join(sets.List(surplus), ", "), m.to.form.Name(), m.from.form.Name())}, nil
	}
	return nil, nil
}

// lookAtGroup: an APIService sends a whole version of a group somewhere, all resources of it.
func (m *move) lookAtGroup(ctx context.Context) ([]string, error) {
	var reasons []string
	definitions, err := m.all(ctx, schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1",
		Kind: "CustomResourceDefinitionList"})
	if err != nil {
		return nil, err
	}
	for _, definition := range definitions {
		group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
		if group == install.Group && definition.GetName() != install.Resource.GroupResource().String() {
			reasons = append(reasons, fmt.Sprintf("CustomResourceDefinition %s is in the same group: a version moves with all its "+
				"resources, and the other form does not serve that one; move it to another group first", definition.GetName()))
		}
	}
	registrations, err := m.all(ctx, schema.GroupVersionKind{Group: apiServiceKind.Group, Version: apiServiceKind.Version,
		Kind: "APIServiceList"})
	if err != nil {
		return nil, err
	}
	for _, registration := range registrations {
		group, _, _ := unstructured.NestedString(registration.Object, "spec", "group")
		service, _, _ := unstructured.NestedString(registration.Object, "spec", "service", "namespace")
		switch {
		case group != install.Group, versionOf(&registration) == importVersion && m.strategy() == API:
		case !slices.Contains(m.from.versions(), versionOf(&registration)):
			reasons = append(reasons, fmt.Sprintf("APIService %s is in the same group, and not Duet's: remove it first",
				registration.GetName()))
		case service != "" && service != install.Namespace:
			reasons = append(reasons, fmt.Sprintf("APIService %s belongs to a service in namespace %s", registration.GetName(), service))
		}
	}
	if len(reasons) == 0 {
		m.check("nothing else is in group %s", install.Group)
	}
	return reasons, nil
}

func (m *move) all(ctx context.Context, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	if err := m.installer.Client().List(ctx, list); err != nil {
		return nil, fmt.Errorf("could not list %s: %w", kind.Kind, err)
	}
	return list.Items, nil
}

// lookAtAnswers: what is not well now is mended first.
func (m *move) lookAtAnswers(ctx context.Context) ([]string, error) {
	if err := m.installer.Serves(ctx, m.from.versions()...); err != nil {
		return []string{fmt.Sprintf("%s does not answer well now: %v; `duet up` and `duet install --impl %s` put it right",
			m.from.form.Name(), err, m.from.form.Name())}, nil
	}
	if err := m.installer.Running(ctx, m.from.plan); err != nil {
		return []string{fmt.Sprintf("%v; `duet install --impl %s` puts it right", err, m.from.form.Name())}, nil
	}
	m.check("%s answers%s", m.from.form.Name(), m.throughAll())
	return nil, nil
}

// throughAll says that there was more than one to ask.
func (m *move) throughAll() string {
	if servers := len(m.installer.Env.APIServerConfigs()); servers > 1 {
		return fmt.Sprintf(" through each of %d kube-apiservers", servers)
	}
	return ""
}

// lookAtKinds: who makes owners anew has to find every child, whatever its kind.
func (m *move) lookAtKinds(context.Context) ([]string, error) {
	if err := m.installer.SeesChildren(); err != nil {
		return []string{fmt.Sprintf("not every child of an instance could be found: %v", err)}, nil
	}
	return nil, nil
}

const encryptionFlag = "encryption-provider-config"

// lookAtEncryption: what one server encrypts the other has to be able to read.
func (m *move) lookAtEncryption(ctx context.Context) ([]string, error) {
	own, err := process.Find(ctx, m.installer.Env.Runner(), controlplane.APIServer)
	if err != nil {
		return nil, err
	}
	for _, side := range []side{m.from, m.to} {
		server, ok := side.plan.Server()
		if !ok || len(side.registrations()) == 0 {
			continue
		}
		same, err := sameFile(own.Spec.Flag(encryptionFlag), server.Flag(encryptionFlag))
		if err != nil {
			return nil, err
		}
		if !same {
			return []string{fmt.Sprintf("kube-apiserver and %s do not encrypt what they store in the same way, so that one could not "+
				"read what the other stored: give both the same --%s", server.Name, encryptionFlag)}, nil
		}
	}
	m.check("both forms' servers encrypt alike")
	return nil, nil
}

const encodingFlag = "storage-media-type"

// lookAtEncoding: what was stored as protobuf is written anew before a CustomResourceDefinition has to read it, which has
// no end while the server goes on storing protobuf.
func (m *move) lookAtEncoding(ctx context.Context) ([]string, error) {
	server, ok := m.from.plan.Server()
	if !ok || len(m.to.definitions()) == 0 {
		return nil, nil
	}
	running, err := process.Find(ctx, m.installer.Env.Runner(), server.Name)
	if unknown := (*process.UnknownError)(nil); errors.As(err, &unknown) && m.state.Rollback {
		return nil, nil // It need not be there. What it has stored is looked at in any case.
	}
	if err != nil {
		return nil, err
	}
	if encoding := running.Spec.Flag(encodingFlag); encoding != "" && encoding != runtime.ContentTypeJSON {
		return []string{fmt.Sprintf("%s stores %s, which a CustomResourceDefinition cannot read: run it without --%s, and what is "+
			"stored will be written anew", server.Name, encoding, encodingFlag)}, nil
	}
	return nil, nil
}

func sameFile(a, b string) (bool, error) {
	if a == b {
		return true, nil
	}
	if a == "" || b == "" {
		return false, nil
	}
	contentA, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	contentB, err := os.ReadFile(b)
	if err != nil {
		return false, err
	}
	return bytes.Equal(bytes.TrimSpace(contentA), bytes.TrimSpace(contentB)), nil
}

// shownObjects is how many objects a refusal names.
const shownObjects = 5

// lookAtObjects: every object has to mean the same to the other form.
func (m *move) lookAtObjects(ctx context.Context) ([]string, error) {
	judges := []judge{typedJudge()}
	for _, definition := range m.to.definitions() {
		schema, err := schemaJudge(definition)
		if err != nil {
			return nil, err
		}
		judges = append(judges, schema)
	}
	objects, err := m.objects(ctx)
	if err != nil {
		return nil, err
	}
	var reasons []string
	for _, key := range sortedKeys(objects) {
		for _, judge := range judges {
			paths, err := judge(objects[key])
			switch {
			case err != nil:
				reasons = append(reasons, fmt.Sprintf("%s cannot be read by %s: %v", key, m.to.form.Name(), err))
			case len(paths) > 0:
				reasons = append(reasons, fmt.Sprintf("%s would lose %s in %s", key, strings.Join(paths, ", "), m.to.form.Name()))
			}
		}
	}
	if m.strategy() == API {
		reasons = append(reasons, ownedByEachOther(objects)...)
	}
	m.result.Objects = len(objects)
	if more := len(reasons) - shownObjects; more > 0 {
		reasons = append(reasons[:shownObjects], fmt.Sprintf("and %d more", more))
	}
	if len(reasons) == 0 {
		m.check("%d objects mean the same to %s", len(objects), m.to.form.Name())
	}
	return reasons, nil
}

// ownedByEachOther names the objects that another one owns. It would have to be another owner, with a UID that nobody knows
// before it is made.
func ownedByEachOther(objects map[string]*unstructured.Unstructured) []string {
	var reasons []string
	for _, key := range sortedKeys(objects) {
		for _, owner := range objects[key].GetOwnerReferences() {
			if group, _ := schema.ParseGroupVersion(owner.APIVersion); group.Group == install.Group {
				reasons = append(reasons, fmt.Sprintf("%s is owned by %s %s, which would be made anew as well: remove the owner reference, "+
					"and set it again when the switch is done", key, owner.Kind, owner.Name))
			}
		}
	}
	return reasons
}

// intentions are what a switch would do, in its order.
func (m *move) intentions() []string {
	start := fmt.Sprintf("would start %s beside %s", m.to.form.Name(), m.from.form.Name())
	hold := "would hold the garbage collector, and who deletes the CustomResourceDefinition"
	steps := []string{hold, start}
	switch m.strategy() {
	case Dedicated:
		steps = []string{hold, "would refuse every write from here until the old form is parked, and copy the objects", start}
	case API:
		steps = []string{
			start,
			fmt.Sprintf("would have %s say of each of %d objects whether it would take it (a strict dry run), and give up if one is refused",
				m.to.form.Name(), m.result.Objects),
			hold + ", and stop the controller",
			"would refuse every write from here until the old form is parked",
			"would write every object to a file, take the children from their owners, and make the objects anew, with new UIDs",
		}
	}
	return append(steps,
		"would compare every object as both have it",
		fmt.Sprintf("would have %s answer %s", m.to.form.Name(), strings.Join(m.from.versions(), " and ")),
		fmt.Sprintf("would take %s out of service, and look at the result", m.from.form.Name()),
	)
}
