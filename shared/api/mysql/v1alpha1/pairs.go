package v1alpha1

import (
	"maps"
	"math"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// classes are the sizes behind the instance classes. The first is the default of both versions.
var classes = []struct {
	name        InstanceClass
	cpu, memory string
}{
	{ClassSmall, "500m", "1Gi"},
	{ClassMedium, "2", "8Gi"},
	{ClassLarge, "8", "32Gi"},
}

var resources = pair[v1.Resources, InstanceClass]{
	v1: "spec.resources", v1alpha1: "instanceClass",
	toV1: func(name InstanceClass) v1.Resources {
		if name == "" {
			return v1.Resources{}
		}
		class := classes[0]
		for _, candidate := range classes {
			if candidate.name == name {
				class = candidate
			}
		}
		cpu, memory := resource.MustParse(class.cpu), resource.MustParse(class.memory)
		return v1.Resources{CPU: &cpu, Memory: &memory}
	},
	fromV1: func(r v1.Resources) InstanceClass {
		if r.CPU == nil && r.Memory == nil {
			return ""
		}
		if r.CPU == nil || r.Memory == nil {
			return ClassCustom
		}
		// String caches its answer in its receiver, which others may be reading: ask copies.
		cpu, memory := *r.CPU, *r.Memory
		for _, class := range classes {
			if class.cpu == cpu.String() && class.memory == memory.String() {
				return class.name
			}
		}
		return ClassCustom
	},
	sameV1: func(a, b v1.Resources) bool {
		return samePointer(a.CPU, b.CPU, sameQuantity) && samePointer(a.Memory, b.Memory, sameQuantity)
	},
	sameV1alpha1: same[InstanceClass],
}

var storageSize = pair[resource.Quantity, int32]{
	v1: "spec.storage.size", v1alpha1: "storageGB",
	toV1: gibibytes, fromV1: WholeGibibytes, sameV1: sameQuantity, sameV1alpha1: same[int32],
}

var storageClass = optionalString("spec.storage.storageClassName", "storageClass")

var credentials = pair[*v1.Credentials, string]{
	v1: "spec.credentials", v1alpha1: "rootPasswordSecret",
	toV1: func(s string) *v1.Credentials {
		name, key, found := strings.Cut(s, "/")
		if !found || name == "" || key == "" {
			return nil
		}
		return &v1.Credentials{RootSecretRef: v1.SecretKeyReference{Name: name, Key: key}}
	},
	fromV1: func(c *v1.Credentials) string {
		if c == nil {
			return ""
		}
		return c.RootSecretRef.Name + "/" + c.RootSecretRef.Key
	},
	sameV1:       func(a, b *v1.Credentials) bool { return samePointer(a, b, same) },
	sameV1alpha1: same[string],
}

var parameters = pair[[]v1.Parameter, map[string]string]{
	v1: "spec.parameters", v1alpha1: "config",
	toV1: func(config map[string]string) []v1.Parameter {
		if len(config) == 0 {
			return nil
		}
		list := make([]v1.Parameter, 0, len(config))
		for _, name := range slices.Sorted(maps.Keys(config)) {
			list = append(list, v1.Parameter{Name: name, Value: config[name]})
		}
		return list
	},
	fromV1: func(list []v1.Parameter) map[string]string {
		if len(list) == 0 {
			return nil
		}
		config := make(map[string]string, len(list))
		for _, parameter := range list {
			config[parameter.Name] = parameter.Value
		}
		return config
	},
	sameV1:       slices.Equal[[]v1.Parameter],
	sameV1alpha1: maps.Equal[map[string]string, map[string]string],
}

var tlsMode = enum("spec.tls.mode", "sslMode", v1.TLSPreferred, SSLPreferred, map[SSLMode]v1.TLSMode{
	"": "", SSLDisabled: v1.TLSDisabled, SSLPreferred: v1.TLSPreferred, SSLRequired: v1.TLSRequired,
})

var tlsSecret = optionalString("spec.tls.secretName", "sslSecret")

// NodePort is not public in v1alpha1's sense, which is a load balancer.
var serviceType = enum("spec.service.type", "publicAccess", v1.ServiceClusterIP, false, map[bool]v1.ServiceType{
	false: v1.ServiceClusterIP, true: v1.ServiceLoadBalancer,
})

// backup decides by the schedule whether there is a backup. Its other fields follow in specToV1 and specFromV1.
var backup = pair[*v1.Backup, string]{
	v1: "spec.backup", v1alpha1: "backupSchedule",
	toV1: func(schedule string) *v1.Backup {
		if schedule == "" {
			return nil
		}
		return &v1.Backup{Schedule: schedule}
	},
	fromV1: func(b *v1.Backup) string {
		if b == nil {
			return ""
		}
		return b.Schedule
	},
	sameV1: func(a, b *v1.Backup) bool {
		return samePointer(a, b, func(a, b v1.Backup) bool { return a.Schedule == b.Schedule })
	},
	sameV1alpha1: same[string],
}

const (
	backupRetentionField = "backupRetentionDays"
	backupStorageClass   = "spec.backup.storage.storageClassName"
)

var backupSize = pair[resource.Quantity, *int32]{
	v1: "spec.backup.storage.size", v1alpha1: "backupStorageGB",
	toV1: func(n *int32) resource.Quantity {
		switch {
		case n == nil:
			return resource.Quantity{}
		case *n == 0:
			return resource.MustParse("0")
		}
		return gibibytes(*n)
	},
	fromV1: func(q resource.Quantity) *int32 {
		if q.Format == "" { // not even a zero was given
			return nil
		}
		n := WholeGibibytes(q)
		return &n
	},
	sameV1:       func(a, b resource.Quantity) bool { return a.Format == "" == (b.Format == "") && sameQuantity(a, b) },
	sameV1alpha1: func(a, b *int32) bool { return samePointer(a, b, same) },
}

var minorUpgradePolicy = enum("spec.minorUpgradePolicy", "autoMinorVersionUpgrade", v1.MinorUpgradeManual, false,
	map[bool]v1.MinorUpgradePolicy{false: v1.MinorUpgradeManual, true: v1.MinorUpgradeAutomatic})

var deletionPolicy = pair[v1.DeletionPolicy, *bool]{
	v1: "spec.deletionPolicy", v1alpha1: "deletionProtection",
	toV1: func(protect *bool) v1.DeletionPolicy {
		switch {
		case protect == nil:
			return ""
		case *protect:
			return v1.DeletionRetain
		default:
			return v1.DeletionDelete
		}
	},
	fromV1: func(policy v1.DeletionPolicy) *bool {
		if policy == "" {
			return nil
		}
		protect := policy != v1.DeletionDelete
		return &protect
	},
	sameV1:       same[v1.DeletionPolicy],
	sameV1alpha1: func(a, b *bool) bool { return samePointer(a, b, same) },
}

var powerState = enum("spec.powerState", "paused", v1.PowerRunning, false, map[bool]v1.PowerState{
	false: v1.PowerRunning, true: v1.PowerStopped,
})

// enum pairs two sets of names; a name that is in neither becomes the default.
func enum[V, A comparable](path, name string, v1Default V, v1alpha1Default A, table map[A]V) pair[V, A] {
	back := make(map[V]A, len(table))
	for a, v := range table {
		back[v] = a
	}
	return pair[V, A]{
		v1: path, v1alpha1: name,
		toV1: func(a A) V {
			if v, ok := table[a]; ok {
				return v
			}
			return v1Default
		},
		fromV1: func(v V) A {
			if a, ok := back[v]; ok {
				return a
			}
			return v1alpha1Default
		},
		sameV1: same[V], sameV1alpha1: same[A],
	}
}

func optionalString(path, name string) pair[*string, string] {
	return pair[*string, string]{
		v1: path, v1alpha1: name,
		toV1: func(s string) *string {
			if s == "" {
				return nil
			}
			return &s
		},
		fromV1: func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		},
		sameV1:       func(a, b *string) bool { return samePointer(a, b, same) },
		sameV1alpha1: same[string],
	}
}

const gibibyte = 1 << 30

func gibibytes(n int32) resource.Quantity {
	if n == 0 {
		return resource.Quantity{} // as an absent size is, so that validation can call it required
	}
	return *resource.NewQuantity(int64(n)*gibibyte, resource.BinarySI)
}

// WholeGibibytes is the storageGB of a size. It rounds up: a client that then sets the next number only grows the
// volume.
func WholeGibibytes(q resource.Quantity) int32 {
	switch {
	case q.CmpInt64(math.MaxInt32*gibibyte) >= 0:
		return math.MaxInt32
	case q.CmpInt64(math.MinInt32*gibibyte) <= 0:
		return math.MinInt32
	}
	bytes := q.Value()
	n := bytes / gibibyte
	if bytes%gibibyte > 0 {
		n++
	}
	return int32(n)
}

func same[T comparable](a, b T) bool { return a == b }

// sameQuantity compares what is written, not only the amount: 1073741824 is carried although 1Gi is as much. It takes
// copies, as String caches its answer in its receiver.
func sameQuantity(a, b resource.Quantity) bool { return a.String() == b.String() }

func samePointer[T any](a, b *T, same func(a, b T) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return same(*a, *b)
}
