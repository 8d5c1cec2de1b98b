package v1alpha1_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/fuzzer"
	"github.com/duet-api/duet/shared/api/mysql/install"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

const (
	objects = 10_000
	seed    = 20
)

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return scheme
}

// quantities are compared as they are written.
var asWritten = cmp.Comparer(func(a, b resource.Quantity) bool { return a.String() == b.String() })

func toHub(t *testing.T, in *v1alpha1.MySQLInstance) *mysql.MySQLInstance {
	t.Helper()
	out := &mysql.MySQLInstance{}
	if err := v1alpha1.Convert_v1alpha1_MySQLInstance_To_mysql_MySQLInstance(in, out, nil); err != nil {
		t.Fatalf("conversion is not total: %v", err)
	}
	return out
}

func fromHub(t *testing.T, in *mysql.MySQLInstance) *v1alpha1.MySQLInstance {
	t.Helper()
	out := &v1alpha1.MySQLInstance{}
	if err := v1alpha1.Convert_mysql_MySQLInstance_To_v1alpha1_MySQLInstance(in, out, nil); err != nil {
		t.Fatalf("conversion is not total: %v", err)
	}
	return out
}

func mustEqual(t *testing.T, i int, want, got any) {
	t.Helper()
	if !apiequality.Semantic.DeepEqual(want, got) {
		t.Fatalf("object %d (-want +got):\n%s", i, cmp.Diff(want, got, asWritten))
	}
}

func TestHubComesBackUnchanged(t *testing.T) {
	fill := fuzzer.New(seed, newScheme())
	for i := range objects {
		hub := &mysql.MySQLInstance{}
		if i > 0 { // the first is the empty one
			fill.Fill(hub)
		}
		hub.TypeMeta = metav1.TypeMeta{}
		before := hub.DeepCopy()
		spoke := fromHub(t, hub)
		mustEqual(t, i, before, hub)
		mustEqual(t, i, hub, toHub(t, spoke))
	}
}

func TestSpokeComesBackUnchanged(t *testing.T) {
	fill := fuzzer.New(seed, newScheme())
	for i := range objects {
		spoke := &v1alpha1.MySQLInstance{}
		switch i % 3 {
		case 0: // the first is the empty one
			if i > 0 {
				fill.Fill(spoke)
			}
		case 1: // as read from the server, with one change: what was carried may or may not agree
			hub := &mysql.MySQLInstance{}
			fill.Fill(hub)
			spoke = fromHub(t, hub)
			changeOne(fill, i, &spoke.Spec)
		case 2: // what was carried belongs to another object
			hub := &mysql.MySQLInstance{}
			fill.Fill(hub)
			fill.Fill(spoke)
			if carried, ok := fromHub(t, hub).Annotations[v1alpha1.V1FieldsAnnotation]; ok {
				spoke.Annotations = map[string]string{v1alpha1.V1FieldsAnnotation: carried}
			}
		}
		spoke.TypeMeta = metav1.TypeMeta{}
		before := spoke.DeepCopy()
		hub := toHub(t, spoke)
		mustEqual(t, i, before, spoke)

		got := fromHub(t, hub)
		mustEqual(t, i, hub, toHub(t, got)) // whatever was carried: nothing is lost from here on

		// What v1 needs is carried anew, phase and message are computed, and an address that is none is no endpoint.
		want := spoke.DeepCopy()
		want.Status.Phase, want.Status.Message = got.Status.Phase, got.Status.Message
		if hub.Status.Endpoint == nil {
			want.Status.Address = ""
		}
		dropCarried(want)
		dropCarried(got)
		mustEqual(t, i, want, got)
	}
}

func changeOne(fill interface{ Fill(any) }, i int, spec *v1alpha1.MySQLInstanceSpec) {
	other := &v1alpha1.MySQLInstanceSpec{}
	fill.Fill(other)
	changes := []func(){
		func() { spec.InstanceClass = other.InstanceClass },
		func() { spec.StorageGB = other.StorageGB },
		func() { spec.RootPasswordSecret = other.RootPasswordSecret },
		func() { spec.Config = other.Config },
		func() { spec.SSLMode = other.SSLMode },
		func() { spec.BackupSchedule = other.BackupSchedule },
		func() { spec.BackupStorageGB = other.BackupStorageGB },
		func() { spec.MaintenanceWindow = other.MaintenanceWindow },
		func() { spec.PublicAccess = other.PublicAccess },
		func() { spec.DeletionProtection = other.DeletionProtection },
	}
	changes[i/3%len(changes)]()
}

func dropCarried(spoke *v1alpha1.MySQLInstance) {
	spoke.Annotations = maps.Clone(spoke.Annotations)
	delete(spoke.Annotations, v1alpha1.V1FieldsAnnotation)
	delete(spoke.Annotations, v1alpha1.V1alpha1FieldsAnnotation)
}

func TestListConverts(t *testing.T) {
	hub := &mysql.MySQLInstanceList{Items: []mysql.MySQLInstance{{Spec: mysql.MySQLInstanceSpec{Version: "8.4.5"}}, {}}}
	spokes, err := newScheme().ConvertToVersion(hub, v1alpha1.SchemeGroupVersion)
	if err != nil {
		t.Fatal(err)
	}
	items := spokes.(*v1alpha1.MySQLInstanceList).Items
	if len(items) != 2 || items[0].Spec.EngineVersion != "8.4.5" {
		t.Errorf("got %+v", items)
	}
}

// specified builds a valid, defaulted v1 object for the tables below.
func specified(change func(*v1.MySQLInstance)) *v1.MySQLInstance {
	in := &v1.MySQLInstance{Spec: v1.MySQLInstanceSpec{
		Version: "8.4.5", Storage: v1.Storage{VolumeSize: resource.MustParse("10Gi")},
	}}
	v1.SetObjectDefaults_MySQLInstance(in)
	if change != nil {
		change(in)
	}
	return in
}

func TestConversionTable(t *testing.T) {
	plain := func(change func(*v1alpha1.MySQLInstanceSpec)) v1alpha1.MySQLInstanceSpec {
		spec := v1alpha1.MySQLInstanceSpec{
			EngineVersion: "8.4.5", ReadReplicas: ptr.To[int32](0), InstanceClass: v1alpha1.ClassSmall, StorageGB: 10,
			SSLMode: v1alpha1.SSLPreferred, Port: ptr.To[int32](3306), DeletionProtection: ptr.To(true),
		}
		change(&spec)
		return spec
	}
	tests := map[string]struct {
		v1          *v1.MySQLInstance
		want        v1alpha1.MySQLInstanceSpec
		wantCarried string
	}{
		"defaults": {
			v1:   specified(nil),
			want: plain(func(*v1alpha1.MySQLInstanceSpec) {}),
		},
		"replicas count the primary": {
			v1:   specified(func(in *v1.MySQLInstance) { in.Spec.Replicas = ptr.To[int32](3) }),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) { s.ReadReplicas = ptr.To[int32](2) }),
		},
		"a class by its size": {
			v1: specified(func(in *v1.MySQLInstance) {
				in.Spec.Resources = v1.Resources{CPU: ptr.To(resource.MustParse("8")), Memory: ptr.To(resource.MustParse("32Gi"))}
			}),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) { s.InstanceClass = v1alpha1.ClassLarge }),
		},
		"a size that no class has": {
			v1: specified(func(in *v1.MySQLInstance) {
				in.Spec.Resources = v1.Resources{CPU: ptr.To(resource.MustParse("3")), Memory: ptr.To(resource.MustParse("7Gi"))}
			}),
			want:        plain(func(s *v1alpha1.MySQLInstanceSpec) { s.InstanceClass = v1alpha1.ClassCustom }),
			wantCarried: `{"spec.resources":{"cpu":"3","memory":"7Gi"}}`,
		},
		"no whole Gi is rounded up and carried": {
			v1:          specified(func(in *v1.MySQLInstance) { in.Spec.Storage.VolumeSize = resource.MustParse("1536Mi") }),
			want:        plain(func(s *v1alpha1.MySQLInstanceSpec) { s.StorageGB = 2 }),
			wantCarried: `{"spec.storage.size":"1536Mi"}`,
		},
		"a storage class": {
			v1:   specified(func(in *v1.MySQLInstance) { in.Spec.Storage.StorageClassName = ptr.To("fast") }),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) { s.StorageClass = "fast" }),
		},
		"credentials": {
			v1: specified(func(in *v1.MySQLInstance) {
				in.Spec.Credentials = &v1.Credentials{RootSecretRef: v1.SecretKeyReference{Name: "root", Key: "pw"}}
			}),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) { s.RootPasswordSecret = "root/pw" }),
		},
		"sorted parameters": {
			v1: specified(func(in *v1.MySQLInstance) {
				in.Spec.Parameters = []v1.Parameter{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}
			}),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) { s.Config = map[string]string{"a": "1", "b": "2"} }),
		},
		"the order of parameters is carried": {
			v1: specified(func(in *v1.MySQLInstance) {
				in.Spec.Parameters = []v1.Parameter{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}}
			}),
			want:        plain(func(s *v1alpha1.MySQLInstanceSpec) { s.Config = map[string]string{"a": "1", "b": "2"} }),
			wantCarried: `{"spec.parameters":[{"name":"b","value":"2"},{"name":"a","value":"1"}]}`,
		},
		"TLS": {
			v1: specified(func(in *v1.MySQLInstance) {
				in.Spec.TLS = v1.TLS{Mode: v1.TLSRequired, SecretName: ptr.To("tls")}
			}),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) { s.SSLMode, s.SSLSecret = v1alpha1.SSLRequired, "tls" }),
		},
		"a load balancer is public": {
			v1:   specified(func(in *v1.MySQLInstance) { in.Spec.Service.Type = v1.ServiceLoadBalancer }),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) { s.PublicAccess = true }),
		},
		"a node port is carried": {
			v1:          specified(func(in *v1.MySQLInstance) { in.Spec.Service.Type = v1.ServiceNodePort }),
			want:        plain(func(*v1alpha1.MySQLInstanceSpec) {}),
			wantCarried: `{"spec.service.type":"NodePort"}`,
		},
		"a backup, its class carried": {
			v1: specified(func(in *v1.MySQLInstance) {
				in.Spec.Backup = &v1.Backup{Schedule: "@daily", RetentionDays: ptr.To[int32](14),
					Storage: v1.Storage{VolumeSize: resource.MustParse("20Gi"), StorageClassName: ptr.To("cold")}}
			}),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) {
				s.BackupSchedule, s.BackupRetentionDays, s.BackupStorageGB = "@daily", ptr.To[int32](14), ptr.To[int32](20)
			}),
			wantCarried: `{"spec.backup.storage.storageClassName":"cold"}`,
		},
		"policies": {
			v1: specified(func(in *v1.MySQLInstance) {
				in.Spec.MinorUpgradePolicy = v1.MinorUpgradeAutomatic
				in.Spec.DeletionPolicy = v1.DeletionDelete
				in.Spec.PowerState = v1.PowerStopped
			}),
			want: plain(func(s *v1alpha1.MySQLInstanceSpec) {
				s.AutoMinorVersionUpgrade, s.DeletionProtection, s.Paused = true, ptr.To(false), true
			}),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var hub mysql.MySQLInstance
			if err := v1.Convert_v1_MySQLInstance_To_mysql_MySQLInstance(tc.v1, &hub, nil); err != nil {
				t.Fatal(err)
			}
			got := fromHub(t, &hub)
			if diff := cmp.Diff(tc.want, got.Spec); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantCarried, got.Annotations[v1alpha1.V1FieldsAnnotation]); diff != "" {
				t.Errorf("carried (-want +got):\n%s", diff)
			}
			mustEqual(t, 0, &hub, toHub(t, got))
		})
	}
}
