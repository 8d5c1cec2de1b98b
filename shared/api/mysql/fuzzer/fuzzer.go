// Package fuzzer fills MySQLInstances with random values for round-trip tests. Random is not uniform: every set of
// names, every format and every unit is drawn from real values most of the time, so that the interesting paths of
// conversion and validation are reached, and from arbitrary text the rest of the time, so that nothing may assume them.
package fuzzer

import (
	"fmt"
	"math/rand"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/resource"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/randfill"

	"github.com/duet-api/duet/shared/api/mysql"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

// New returns a filler of arbitrary hub, v1 and v1alpha1 objects, the same ones for the same seed. They need not be
// valid, nor defaulted.
func New(seed int64, scheme *runtime.Scheme) *randfill.Filler {
	return filler(seed, scheme, Arbitrary)
}

// NewDefaulted is New for tests that encode and decode: decoding applies defaults, so only objects that have them
// come back unchanged.
func NewDefaulted(seed int64, scheme *runtime.Scheme) *randfill.Filler {
	return filler(seed, scheme, Arbitrary, defaulted)
}

func filler(seed int64, scheme *runtime.Scheme, funcs ...fuzzer.FuzzerFuncs) *randfill.Filler {
	all := append([]fuzzer.FuzzerFuncs{metafuzzer.Funcs}, funcs...)
	return fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(all...), rand.NewSource(seed), serializer.NewCodecFactory(scheme))
}

// Arbitrary fills the leaves: quantities, names, schedules, windows.
func Arbitrary(serializer.CodecFactory) []any {
	return []any{
		func(q *resource.Quantity, c randfill.Continue) { *q = quantity(c) },
		func(m *mysql.TLSMode, c randfill.Continue) {
			pick(m, c, mysql.TLSDisabled, mysql.TLSPreferred, mysql.TLSRequired)
		},
		func(m *v1.TLSMode, c randfill.Continue) { pick(m, c, v1.TLSDisabled, v1.TLSPreferred, v1.TLSRequired) },
		func(m *v1alpha1.SSLMode, c randfill.Continue) {
			pick(m, c, v1alpha1.SSLDisabled, v1alpha1.SSLPreferred, v1alpha1.SSLRequired, "Required")
		},
		func(s *mysql.ServiceType, c randfill.Continue) {
			pick(s, c, mysql.ServiceClusterIP, mysql.ServiceNodePort, mysql.ServiceLoadBalancer)
		},
		func(p *mysql.MinorUpgradePolicy, c randfill.Continue) {
			pick(p, c, mysql.MinorUpgradeManual, mysql.MinorUpgradeAutomatic)
		},
		func(p *mysql.DeletionPolicy, c randfill.Continue) {
			pick(p, c, mysql.DeletionDelete, mysql.DeletionRetain)
		},
		func(p *mysql.PowerState, c randfill.Continue) { pick(p, c, mysql.PowerRunning, mysql.PowerStopped) },
		func(i *v1alpha1.InstanceClass, c randfill.Continue) {
			pick(i, c, v1alpha1.ClassSmall, v1alpha1.ClassMedium, v1alpha1.ClassLarge, v1alpha1.ClassCustom)
		},
		func(r *mysql.Resources, c randfill.Continue) {
			c.FillNoCustom(r)
			if c.Bool() {
				cpu, memory := resource.MustParse("2"), resource.MustParse("8Gi")
				r.CPU, r.Memory = &cpu, &memory
			}
		},
		func(p *[]mysql.Parameter, c randfill.Continue) {
			c.FillNoCustom(p)
			if len(*p) > 1 && c.Bool() {
				(*p)[1].Name = (*p)[0].Name // a duplicate, or already sorted the other way
			}
		},
		func(w *mysql.MaintenanceWindow, c randfill.Continue) {
			c.FillNoCustom(w)
			if c.Intn(5) > 0 {
				minutes := int32(c.Intn(2 * 7 * 24 * 60))
				w.Day = mysql.Weekday(time.Weekday(c.Intn(7)).String())
				w.StartTime = fmt.Sprintf("%02d:%02d", c.Intn(24), c.Intn(60))
				w.DurationMinutes = &minutes
			}
		},
		func(s *v1alpha1.MySQLInstanceSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			if c.Bool() {
				s.MaintenanceWindow = moment(c) + "-" + moment(c)
			}
			if c.Bool() {
				s.RootPasswordSecret = strings.Join([]string{c.String(8), c.String(8)}, "/")
			}
			if c.Bool() {
				s.BackupSchedule, s.BackupRetentionDays, s.BackupStorageGB = "", nil, nil
			}
		},
		func(s *v1alpha1.MySQLInstanceStatus, c randfill.Continue) {
			c.FillNoCustom(s)
			if c.Bool() {
				s.Address = fmt.Sprintf("db.example.com:%d", c.Intn(1<<16))
			}
		},
	}
}

// defaulted makes the hub object one that decoding from either version could have made.
func defaulted(serializer.CodecFactory) []any {
	return []any{
		func(in *mysql.MySQLInstance, c randfill.Continue) {
			c.FillNoCustom(in)
			if in.Spec.Backup != nil && in.Spec.Backup.Schedule == "" {
				in.Spec.Backup.Schedule = "@daily"
			}
			var stored v1.MySQLInstance
			utilruntime.Must(v1.Convert_mysql_MySQLInstance_To_v1_MySQLInstance(in, &stored, nil))
			v1.SetObjectDefaults_MySQLInstance(&stored)
			utilruntime.Must(v1.Convert_v1_MySQLInstance_To_mysql_MySQLInstance(&stored, in, nil))
		},
	}
}

func quantity(c randfill.Continue) resource.Quantity {
	const gibibyte = 1 << 30
	switch c.Intn(6) {
	case 0: // no whole Gi
		return *resource.NewQuantity(c.Int63n(1<<40), resource.BinarySI)
	case 1: // the same amount in another notation
		return *resource.NewQuantity(c.Int63n(1<<10)*gibibyte, resource.DecimalSI)
	case 2: // not even whole bytes
		return *resource.NewMilliQuantity(c.Int63n(1<<20), resource.DecimalSI)
	case 3: // more than v1alpha1 counts, or less than nothing; from 1000E on, resource.Quantity itself cannot print it
		return resource.MustParse(fmt.Sprintf("%s%dE", []string{"", "-"}[c.Intn(2)], c.Intn(1000)))
	default:
		return *resource.NewQuantity(c.Int63n(1<<10)*gibibyte, resource.BinarySI)
	}
}

func moment(c randfill.Continue) string {
	return fmt.Sprintf("%s:%02d:%02d", time.Weekday(c.Intn(7)).String()[:3], c.Intn(24), c.Intn(60))
}

func pick[T ~string](out *T, c randfill.Continue, known ...T) {
	if c.Intn(5) == 0 {
		*out = T(c.String(8))
		return
	}
	*out = known[c.Intn(len(known))]
}
