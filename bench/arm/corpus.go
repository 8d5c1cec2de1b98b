package arm

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	mysqlv1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

const (
	// PayloadBytes is the size of each object as the client sends it, in every kind, without the few bytes of its
	// names, resource version and revision. What the server adds (uid, managed fields) comes on top.
	PayloadBytes = 2048
	// corpusSize is the number of different payloads: enough that no answer is the same for long, few enough to be
	// rendered in a moment.
	corpusSize = 64
	// paddingKey is the annotation that brings a payload to its size.
	paddingKey = "bench.duet.example.com/padding"
)

// MySQLInstances is the kind that the two forms serve, with the corpus of a seed. Its objects pass every rule of the
// API, need no other object to exist and cause no warning.
func MySQLInstances(seed uint64) (*Kind, error) {
	return newKind(mysqlv1.SchemeGroupVersion.WithResource("mysqlinstances"), func(i int) (specimen, error) {
		object := instance(seed, i)
		return specimen{object, &object.ObjectMeta, func(into runtime.Object, revision string) {
			into.(*mysqlv1.MySQLInstance).Spec.Parameters[0].Value = revision
		}}, nil
	})
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
		return specimen{object, &object.ObjectMeta, func(into runtime.Object, revision string) {
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
}

// newKind renders a corpus. Each object is brought to the size by an annotation.
func newKind(resource schema.GroupVersionResource, make func(i int) (specimen, error)) (*Kind, error) {
	kind := &Kind{Resource: resource}
	for i := range corpusSize {
		s, err := make(i)
		if err != nil {
			return nil, err
		}
		t, err := newTemplate(s.object, PayloadBytes, func(padding string) { s.meta.Annotations[paddingKey] = padding })
		if err != nil {
			return nil, err
		}
		typed, _ := s.object.(runtime.Object)
		kind.variants = append(kind.variants, variant{t, typed, s.setRevision})
	}
	return kind, nil
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
			},
			Annotations: map[string]string{},
		},
		Spec: mysqlv1.MySQLInstanceSpec{
			Version:   pick("8.4.3", "8.4.4", "8.4.5"),
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
