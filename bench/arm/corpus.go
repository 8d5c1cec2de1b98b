package arm

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	mysqlv1 "github.com/duet-api/duet/shared/api/mysql/v1"
	mysqlv1alpha1 "github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

const (
	// PayloadBytes is the size of the objects of a kind that was not asked for another one (see Kind.Bytes).
	PayloadBytes = 2048
	// corpusSize is the number of different payloads: enough that no answer is the same for long, few enough to be
	// rendered in a moment. Of large objects there are fewer, in corpusBytes at most.
	corpusSize  = 64
	corpusBytes = 2 << 20
	// paddingKey is the annotation that brings a payload to its size. What is missing comes in pieces of paddingBytes,
	// with a number behind the key: an object with one huge string would be cheap to encode for everybody.
	paddingKey   = "bench.duet.example.com/padding"
	paddingBytes = 256
)

// selectedVersion is the version of the instances that the field selector is for.
const selectedVersion = "8.4.4"

// MySQLInstances is the kind that the two forms serve, with the corpus of a seed. Its objects pass every rule of the
// API, need no other object to exist and cause no warning.
func MySQLInstances(seed uint64) (*Kind, error) {
	return MySQLInstancesIn(mysqlv1.SchemeGroupVersion.Group, seed)
}

// MySQLInstancesIn is the same in another group: that of a copy of the custom resource. Then it is JSON only.
func MySQLInstancesIn(group string, seed uint64) (*Kind, error) {
	resource := mysqlv1.SchemeGroupVersion.WithResource("mysqlinstances")
	resource.Group = group
	return corpus{
		resource: resource,
		field:    "spec.version=" + selectedVersion,
		make: func(i int) (specimen, error) {
			object := instance(seed, i)
			object.APIVersion = resource.GroupVersion().String()
			return specimen{
				object: object, meta: &object.ObjectMeta, selected: object.Spec.Version == selectedVersion,
				setRevision: func(into runtime.Object, revision string) {
					into.(*mysqlv1.MySQLInstance).Spec.Parameters[0].Value = revision
				},
				addStatus: func() {
					object.Spec.Parameters[0].Value = Object{}.revisionText()
					object.Status = status(object)
				},
				setStatusRevision: func(into runtime.Object, revision string) {
					into.(*mysqlv1.MySQLInstance).Status.Conditions[0].Message = revision
				},
			}, nil
		},
		old: map[string]func(i int) (specimen, error){
			mysqlv1alpha1.SchemeGroupVersion.Version: func(i int) (specimen, error) { return dated(seed, i), nil },
		},
	}.render(PayloadBytes)
}

// ConfigMaps is the in-tree baseline: what the instance of the same number holds, leaf by leaf, in as many bytes.
func ConfigMaps(seed uint64) (*Kind, error) {
	return newKind(corev1.SchemeGroupVersion.WithResource("configmaps"), func(i int) (specimen, error) {
		source := instance(seed, i)
		data, err := flatten(source.Spec)
		if err != nil {
			return specimen{}, err
		}
		object := &corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: source.ObjectMeta, Data: data,
		}
		return specimen{object: object, meta: &object.ObjectMeta, setRevision: func(into runtime.Object, revision string) {
			into.(*corev1.ConfigMap).Data[revisionLeaf] = revision
		}}, nil
	})
}

// specimen is one object of a corpus before it becomes a template. One that is no runtime.Object, and needs no
// setRevision, can be sent as JSON only.
type specimen struct {
	object      any
	meta        *metav1.ObjectMeta
	setRevision func(into runtime.Object, revision string)
	// addStatus, if the kind has a status to update, gives the object one and moves the revision's mark into it, where
	// setStatusRevision writes.
	addStatus         func()
	setStatusRevision func(into runtime.Object, revision string)
	// selected is whether the corpus's field selector matches.
	selected bool
}

// corpus is where the objects of a kind come from.
type corpus struct {
	resource schema.GroupVersionResource
	// field is a field selector, if one can select a part of the objects.
	field string
	make  func(i int) (specimen, error)
	// old makes objects of other versions, by the version.
	old map[string]func(i int) (specimen, error)
}

// newKind renders a corpus whose objects cannot be selected by a field.
func newKind(resource schema.GroupVersionResource, make func(i int) (specimen, error)) (*Kind, error) {
	return corpus{resource: resource, make: make}.render(PayloadBytes)
}

// render makes the objects in a size.
func (c corpus) render(bytes int) (*Kind, error) {
	kind := &Kind{Resource: c.resource, Bytes: bytes, Field: c.field, corpus: c}
	for i := range min(corpusSize, max(corpusBytes/bytes, 1)) {
		s, err := c.make(i)
		if err != nil {
			return nil, err
		}
		if err := pad(s, bytes, i); err != nil {
			return nil, err
		}
		plain, err := s.variant(s.setRevision)
		if err != nil {
			return nil, err
		}
		kind.variants = append(kind.variants, plain)
		if s.addStatus == nil {
			continue
		}
		s.addStatus()
		settled, err := s.variant(s.setStatusRevision)
		if err != nil {
			return nil, err
		}
		kind.statuses = append(kind.statuses, settled)
	}
	return kind, nil
}

// variant is the specimen as it is now.
func (s specimen) variant(setRevision func(into runtime.Object, revision string)) (variant, error) {
	t, err := newTemplate(s.object)
	if err != nil {
		return variant{}, err
	}
	v := variant{template: t, setRevision: setRevision, selected: s.selected}
	if typed, ok := s.object.(runtime.Object); ok {
		v.object = typed.DeepCopyObject()
	}
	return v, nil
}

// pad brings a specimen to its size with letters at random: one letter again and again would compress to nothing.
func pad(s specimen, bytes, i int) error {
	s.meta.Annotations[paddingKey] = ""
	missing, err := missingBytes(s.object, bytes)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(uint64(bytes), uint64(i)))
	filler := func(n int) string {
		letters := make([]byte, n)
		for at := range letters {
			letters[at] = byte('a' + random.IntN('z'-'a'+1))
		}
		return string(letters)
	}
	for piece := 0; missing >= 2*paddingBytes; piece++ {
		key := fmt.Sprintf("%s-%03d", paddingKey, piece)
		s.meta.Annotations[key] = filler(paddingBytes)
		missing -= len(`,"":""`) + len(key) + paddingBytes
	}
	s.meta.Annotations[paddingKey] = filler(missing)
	return nil
}

// revisionLeaf is the entry of a flattened spec that carries the revision.
const revisionLeaf = "spec.parameters.0.value"

// instance is number i of a seed's corpus, with marks where objects differ.
func instance(seed uint64, i int) *mysqlv1.MySQLInstance {
	random := rand.New(rand.NewPCG(seed, uint64(i)))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	between := func(low, high int) string { return strconv.Itoa(low + random.IntN(high-low+1)) }
	one := func(values ...int32) *int32 { return &values[random.IntN(len(values))] }
	quantity := func(s string) *resource.Quantity { q := resource.MustParse(s); return &q }

	return &mysqlv1.MySQLInstance{
		TypeMeta: metav1.TypeMeta{APIVersion: mysqlv1.SchemeGroupVersion.String(), Kind: "MySQLInstance"},
		ObjectMeta: metav1.ObjectMeta{
			Name:            nameMark,
			Namespace:       namespaceMark,
			ResourceVersion: resourceVersionMark,
			Labels: map[string]string{
				"app.kubernetes.io/name":    "mysql",
				"app.kubernetes.io/part-of": pick("billing", "catalog", "identity", "search"),
				"tier":                      pick("gold", "silver", "bronze"),
				setLabel:                    setMark,
			},
			Annotations: map[string]string{},
		},
		Spec: mysqlv1.MySQLInstanceSpec{
			Version:   pick("8.4.3", selectedVersion, "8.4.5"),
			Replicas:  one(1, 3, 5),
			Resources: mysqlv1.Resources{CPU: quantity(between(500, 900) + "m"), Memory: quantity(pick("4Gi", "8Gi"))},
			Storage:   mysqlv1.Storage{VolumeSize: *quantity(between(10, 99) + "Gi")},
			Parameters: []mysqlv1.Parameter{
				{Name: "wait_timeout", Value: revisionMark},
				{Name: "max_connections", Value: between(100, 999)},
				{Name: "innodb_buffer_pool_size", Value: pick("1073741824", "2147483648")},
				{Name: "innodb_flush_log_at_trx_commit", Value: pick("1", "2")},
				{Name: "innodb_io_capacity", Value: between(1000, 4000)},
				{Name: "innodb_lock_wait_timeout", Value: between(10, 99)},
				{Name: "sync_binlog", Value: pick("1", "100")},
				{Name: "max_allowed_packet", Value: pick("67108864", "134217728")},
				{Name: "table_open_cache", Value: between(2000, 4000)},
				{Name: "thread_cache_size", Value: between(10, 99)},
				{Name: "sort_buffer_size", Value: pick("262144", "524288")},
				{Name: "join_buffer_size", Value: pick("262144", "524288")},
				{Name: "slow_query_log", Value: pick("ON", "OFF")},
				{Name: "long_query_time", Value: between(1, 9)},
			},
			TLS:     mysqlv1.TLS{Mode: mysqlv1.TLSPreferred},
			Service: mysqlv1.Service{Type: mysqlv1.ServiceClusterIP, Port: one(3306, 3307)},
			Backup: &mysqlv1.Backup{
				Schedule:      between(0, 59) + " 3 * * *",
				RetentionDays: one(7, 14, 30),
				Storage:       mysqlv1.Storage{VolumeSize: *quantity(between(100, 199) + "Gi")},
			},
			MaintenanceWindow:  &mysqlv1.MaintenanceWindow{Day: "Sunday", StartTime: "02:00", DurationMinutes: one(60, 120)},
			MinorUpgradePolicy: mysqlv1.MinorUpgradeManual,
			DeletionPolicy:     mysqlv1.DeletionDelete,
			PowerState:         mysqlv1.PowerRunning,
		},
	}
}

// status is what the controller would write when all is well.
func status(of *mysqlv1.MySQLInstance) mysqlv1.MySQLInstanceStatus {
	condition := func(kind, reason, message string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, ObservedGeneration: 1, Reason: reason, Message: message,
			LastTransitionTime: metav1.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		}
	}
	return mysqlv1.MySQLInstanceStatus{
		Conditions: []metav1.Condition{
			condition(mysqlv1.ConditionReady, "AllServersServe", revisionMark),
			condition(mysqlv1.ConditionAvailable, "PrimaryServes", "the primary accepts clients"),
			condition(mysqlv1.ConditionConfigurationApplied, "InForce", "every field is in force"),
		},
		ObservedGeneration: 1, Replicas: *of.Spec.Replicas, ReadyReplicas: *of.Spec.Replicas,
		CurrentVersion: of.Spec.Version, Primary: "mysql-0",
		Endpoint: &mysqlv1.Endpoint{Host: "mysql.example.svc", Port: *of.Spec.Service.Port},
	}
}

// flatten turns a spec into the flat form of a ConfigMap: one entry for each leaf, named by its path.
func flatten(spec mysqlv1.MySQLInstanceSpec) (map[string]string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("could not render a spec of the corpus: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("could not read a rendered spec of the corpus: %w", err)
	}
	leaves := map[string]string{}
	var walk func(path string, node any)
	walk = func(path string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for key, child := range node {
				walk(path+"."+key, child)
			}
		case []any:
			for i, child := range node {
				walk(path+"."+strconv.Itoa(i), child)
			}
		default:
			leaves[path] = fmt.Sprint(node)
		}
	}
	walk("spec", tree)
	return leaves, nil
}
