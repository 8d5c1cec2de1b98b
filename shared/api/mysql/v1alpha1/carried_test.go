package v1alpha1_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
	"github.com/duet-api/duet/shared/api/mysql/fuzzer"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
	"github.com/duet-api/duet/shared/api/mysql/v1alpha1"
)

func hubOf(t *testing.T, in *v1.MySQLInstance) *mysql.MySQLInstance {
	t.Helper()
	hub := &mysql.MySQLInstance{}
	if err := v1.Convert_v1_MySQLInstance_To_mysql_MySQLInstance(in, hub, nil); err != nil {
		t.Fatal(err)
	}
	return hub
}

// TestCarriedIsObeyedWhileItAgrees reads an object as v1alpha1, changes it there, and looks at what the hub gets.
func TestCarriedIsObeyedWhileItAgrees(t *testing.T) {
	rich := specified(func(in *v1.MySQLInstance) {
		in.Spec.Resources = v1.Resources{CPU: ptr.To(resource.MustParse("3")), Memory: ptr.To(resource.MustParse("7Gi"))}
		in.Spec.Storage.VolumeSize = resource.MustParse("1536Mi")
		in.Spec.Service.Type = v1.ServiceNodePort
		in.Spec.Backup = &v1.Backup{Schedule: "@daily", RetentionDays: ptr.To[int32](7),
			Storage: v1.Storage{VolumeSize: resource.MustParse("1500Mi"), StorageClassName: ptr.To("cold")}}
		in.Status.Conditions = []metav1.Condition{{Type: v1.ConditionReady, Status: metav1.ConditionTrue}}
		in.Status.Endpoint = &v1.Endpoint{Host: "a:b", Port: 3306}
	})
	tests := map[string]struct {
		change func(*v1alpha1.MySQLInstance)
		want   func(*v1.MySQLInstance)
	}{
		"nothing changed": {
			change: func(*v1alpha1.MySQLInstance) {},
			want:   func(*v1.MySQLInstance) {},
		},
		"another field": {
			change: func(in *v1alpha1.MySQLInstance) { in.Spec.ReadReplicas = ptr.To[int32](2) },
			want:   func(in *v1.MySQLInstance) { in.Spec.Replicas = ptr.To[int32](3) },
		},
		"the class": {
			change: func(in *v1alpha1.MySQLInstance) { in.Spec.InstanceClass = v1alpha1.ClassMedium },
			want: func(in *v1.MySQLInstance) {
				in.Spec.Resources = v1.Resources{CPU: ptr.To(resource.MustParse("2")), Memory: ptr.To(resource.MustParse("8Gi"))}
			},
		},
		"the size": {
			change: func(in *v1alpha1.MySQLInstance) { in.Spec.StorageGB = 3 },
			want:   func(in *v1.MySQLInstance) { in.Spec.Storage.VolumeSize = resource.MustParse("3Gi") },
		},
		"public access": {
			change: func(in *v1alpha1.MySQLInstance) { in.Spec.PublicAccess = true },
			want:   func(in *v1.MySQLInstance) { in.Spec.Service.Type = v1.ServiceLoadBalancer },
		},
		"the retention keeps the backup's size and class": {
			change: func(in *v1alpha1.MySQLInstance) { in.Spec.BackupRetentionDays = ptr.To[int32](30) },
			want:   func(in *v1.MySQLInstance) { in.Spec.Backup.RetentionDays = ptr.To[int32](30) },
		},
		"no schedule, no backup": {
			change: func(in *v1alpha1.MySQLInstance) {
				in.Spec.BackupSchedule, in.Spec.BackupRetentionDays, in.Spec.BackupStorageGB = "", nil, nil
			},
			want: func(in *v1.MySQLInstance) { in.Spec.Backup = nil },
		},
		"the address": {
			change: func(in *v1alpha1.MySQLInstance) { in.Status.Address = "c:1" },
			want:   func(in *v1.MySQLInstance) { in.Status.Endpoint = &v1.Endpoint{Host: "c", Port: 1} },
		},
		"an address that is none": {
			change: func(in *v1alpha1.MySQLInstance) { in.Status.Address = "nowhere" },
			want:   func(in *v1.MySQLInstance) { in.Status.Endpoint = nil },
		},
		"the phase means nothing": {
			change: func(in *v1alpha1.MySQLInstance) { in.Status.Phase, in.Status.Message = v1alpha1.PhaseFailed, "no" },
			want:   func(*v1.MySQLInstance) {},
		},
		"an annotation that is no JSON": {
			change: func(in *v1alpha1.MySQLInstance) {
				in.Annotations = map[string]string{v1alpha1.V1FieldsAnnotation: "{", "mine": "stays"}
				in.Spec.InstanceClass = v1alpha1.ClassSmall
			},
			want: func(in *v1.MySQLInstance) {
				in.Annotations = map[string]string{"mine": "stays"}
				in.Spec = specified(nil).Spec
				in.Spec.Storage.VolumeSize = resource.MustParse("2Gi")
				in.Spec.Backup = &v1.Backup{Schedule: "@daily", RetentionDays: ptr.To[int32](7),
					Storage: v1.Storage{VolumeSize: resource.MustParse("2Gi")}}
				in.Status = v1.MySQLInstanceStatus{Endpoint: in.Status.Endpoint}
			},
		},
		"a carried value of the wrong type": {
			change: func(in *v1alpha1.MySQLInstance) {
				in.Spec.StorageGB = 4
				in.Annotations[v1alpha1.V1FieldsAnnotation] = `{"spec.storage.size":{},"spec.resources":{"cpu":"3","memory":"7Gi"},` +
					`"spec.service.type":"NodePort","spec.backup.storage.size":"1500Mi","spec.backup.storage.storageClassName":"cold"}`
				in.Status.Address = ""
			},
			want: func(in *v1.MySQLInstance) {
				in.Spec.Storage.VolumeSize = resource.MustParse("4Gi")
				in.Status = v1.MySQLInstanceStatus{}
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spoke := fromHub(t, hubOf(t, rich.DeepCopy()))
			tc.change(spoke)
			want := rich.DeepCopy()
			tc.want(want)
			mustEqual(t, 0, hubOf(t, want), toHub(t, spoke))
		})
	}
}

func TestWindow(t *testing.T) {
	type window struct {
		day     mysql.Weekday
		start   string
		minutes int32
	}
	tests := map[string]struct {
		text string
		want *window // nil: no window, and the text comes back all the same
	}{
		"an hour":                 {"Sun:03:00-Sun:04:00", &window{"Sunday", "03:00", 60}},
		"over midnight":           {"Mon:23:30-Tue:00:30", &window{"Monday", "23:30", 60}},
		"over the week":           {"Sat:23:30-Sun:00:30", &window{"Saturday", "23:30", 60}},
		"a day":                   {"Wed:12:00-Thu:12:00", &window{"Wednesday", "12:00", 1440}},
		"longer than v1 accepts":  {"Sun:00:00-Sat:23:59", &window{"Sunday", "00:00", 6*1440 + 1439}},
		"backwards is round":      {"Fri:04:00-Fri:03:00", &window{"Friday", "04:00", 7*1440 - 60}},
		"no time at all":          {"Sun:03:00-Sun:03:00", &window{"Sunday", "03:00", 0}},
		"one end":                 {"Sun:03:00", nil},
		"small letters":           {"sun:03:00-sun:04:00", nil},
		"no such hour":            {"Sun:24:00-Sun:25:00", nil},
		"one digit":               {"Sun:3:00-Sun:4:00", nil},
		"a space":                 {"Sun:03:00 - Sun:04:00", nil},
		"seconds":                 {"Sun:03:00:00-Sun:04:00:00", nil},
		"text":                    {"anything", nil},
		"three":                   {"Sun:03:00-Sun:04:00-Sun:05:00", nil},
		"a day with a long name":  {"Sunday:03:00-Sunday:04:00", nil},
		"only a hyphen":           {"-", nil},
		"a number that is no one": {"Sun:+3:00-Sun:04:00", nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spoke := &v1alpha1.MySQLInstance{Spec: v1alpha1.MySQLInstanceSpec{MaintenanceWindow: tc.text}}
			hub := toHub(t, spoke)
			var got *window
			if w := hub.Spec.MaintenanceWindow; w != nil {
				got = &window{w.Day, w.StartTime, *w.DurationMinutes}
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(window{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if refused := len(v1alpha1.Refused(hub.Annotations)) > 0; refused != (tc.want == nil) {
				t.Errorf("refused: %v", refused)
			}
			if back := fromHub(t, hub).Spec.MaintenanceWindow; back != tc.text {
				t.Errorf("came back as %q", back)
			}
		})
	}
}

func TestPhase(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Message: kind + " speaks"}
	}
	tests := map[string]struct {
		power       v1.PowerState
		status      v1.MySQLInstanceStatus
		wantPhase   v1alpha1.Phase
		wantMessage string
	}{
		"nothing yet": {wantPhase: v1alpha1.PhasePending},
		"being made": {
			status: v1.MySQLInstanceStatus{Conditions: []metav1.Condition{
				condition(v1.ConditionReady, metav1.ConditionFalse), condition(v1.ConditionProgressing, metav1.ConditionTrue)}},
			wantPhase: v1alpha1.PhasePending, wantMessage: "Progressing speaks",
		},
		"ready": {
			status:    v1.MySQLInstanceStatus{Conditions: []metav1.Condition{condition(v1.ConditionReady, metav1.ConditionTrue)}},
			wantPhase: v1alpha1.PhaseRunning, wantMessage: "Ready speaks",
		},
		"changing": {
			status: v1.MySQLInstanceStatus{CurrentVersion: "8.4.5", Conditions: []metav1.Condition{
				condition(v1.ConditionReady, metav1.ConditionFalse), condition(v1.ConditionProgressing, metav1.ConditionTrue)}},
			wantPhase: v1alpha1.PhaseUpdating, wantMessage: "Progressing speaks",
		},
		"neither": {
			status: v1.MySQLInstanceStatus{CurrentVersion: "8.4.5", Conditions: []metav1.Condition{
				condition(v1.ConditionReady, metav1.ConditionFalse), condition(v1.ConditionProgressing, metav1.ConditionFalse)}},
			wantPhase: v1alpha1.PhaseFailed, wantMessage: "Ready speaks",
		},
		"stopping": {
			power: v1.PowerStopped,
			status: v1.MySQLInstanceStatus{ReadyReplicas: 1, CurrentVersion: "8.4.5", Conditions: []metav1.Condition{
				condition(v1.ConditionReady, metav1.ConditionFalse), condition(v1.ConditionProgressing, metav1.ConditionTrue)}},
			wantPhase: v1alpha1.PhaseUpdating, wantMessage: "Progressing speaks",
		},
		"stopped": {
			power:     v1.PowerStopped,
			status:    v1.MySQLInstanceStatus{Conditions: []metav1.Condition{condition(v1.ConditionReady, metav1.ConditionFalse)}},
			wantPhase: v1alpha1.PhaseStopped, wantMessage: "Ready speaks",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := specified(func(in *v1.MySQLInstance) { in.Spec.PowerState, in.Status = tc.power, tc.status })
			got := fromHub(t, hubOf(t, in)).Status
			if got.Phase != tc.wantPhase || got.Message != tc.wantMessage {
				t.Errorf("got %s (%s), want %s (%s)", got.Phase, got.Message, tc.wantPhase, tc.wantMessage)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	annotation := "metadata.annotations[" + v1alpha1.V1alpha1FieldsAnnotation + "]"
	tests := map[string]struct {
		change  func(*v1alpha1.MySQLInstanceSpec)
		written string // the annotation itself, instead of a change
		want    map[string]field.ErrorType
	}{
		"nothing": {change: func(*v1alpha1.MySQLInstanceSpec) {}},
		"an unknown class": {
			change: func(s *v1alpha1.MySQLInstanceSpec) { s.InstanceClass = "huge" },
			want:   map[string]field.ErrorType{annotation + ".instanceClass": field.ErrorTypeNotSupported},
		},
		"custom out of nowhere": {
			change: func(s *v1alpha1.MySQLInstanceSpec) { s.InstanceClass = v1alpha1.ClassCustom },
			want:   map[string]field.ErrorType{annotation + ".instanceClass": field.ErrorTypeInvalid},
		},
		"an unknown mode, in v1's spelling": {
			change: func(s *v1alpha1.MySQLInstanceSpec) { s.SSLMode = "Required" },
			want:   map[string]field.ErrorType{annotation + ".sslMode": field.ErrorTypeNotSupported},
		},
		"a Secret without a key": {
			change: func(s *v1alpha1.MySQLInstanceSpec) { s.RootPasswordSecret = "root" },
			want:   map[string]field.ErrorType{annotation + ".rootPasswordSecret": field.ErrorTypeInvalid},
		},
		"everything about backups but a schedule": {
			change: func(s *v1alpha1.MySQLInstanceSpec) {
				s.BackupRetentionDays, s.BackupStorageGB = ptr.To[int32](3), ptr.To[int32](0)
			},
			want: map[string]field.ErrorType{
				annotation + ".backupRetentionDays": field.ErrorTypeForbidden,
				annotation + ".backupStorageGB":     field.ErrorTypeForbidden,
			},
		},
		"a forged field":     {written: `{"storageGB":1}`, want: map[string]field.ErrorType{annotation: field.ErrorTypeForbidden}},
		"nothing in it":      {written: `{}`, want: map[string]field.ErrorType{annotation: field.ErrorTypeForbidden}},
		"not JSON":           {written: `{`, want: map[string]field.ErrorType{annotation: field.ErrorTypeForbidden}},
		"no object":          {written: `[]`, want: map[string]field.ErrorType{annotation: field.ErrorTypeForbidden}},
		"a value of no type": {written: `{"sslMode":null}`, want: map[string]field.ErrorType{annotation + ".sslMode": field.ErrorTypeNotSupported}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{v1alpha1.V1alpha1FieldsAnnotation: tc.written}
			if tc.change != nil {
				spoke := &v1alpha1.MySQLInstance{}
				tc.change(&spoke.Spec)
				annotations = toHub(t, spoke).Annotations
			}
			var got map[string]field.ErrorType
			for _, err := range v1alpha1.Refused(annotations) {
				if got == nil {
					got = map[string]field.ErrorType{}
				}
				got[err.Field] = err.Type
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestConcurrentConversion is for the race detector: a watch cache hands one object to many requests.
func TestConcurrentConversion(t *testing.T) {
	fill := fuzzer.New(seed, newScheme())
	for range 100 {
		hub, spoke := &mysql.MySQLInstance{}, &v1alpha1.MySQLInstance{}
		fill.Fill(hub)
		fill.Fill(spoke)
		hub.Annotations = map[string]string{"mine": "stays", v1alpha1.V1alpha1FieldsAnnotation: `{"sslMode":"x"}`}
		spoke.Annotations = map[string]string{"mine": "stays", v1alpha1.V1FieldsAnnotation: `{"spec.storage.size":"1"}`}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if err := v1alpha1.Convert_mysql_MySQLInstance_To_v1alpha1_MySQLInstance(hub, &v1alpha1.MySQLInstance{}, nil); err != nil {
					t.Error(err)
				}
			})
			group.Go(func() {
				if err := v1alpha1.Convert_v1alpha1_MySQLInstance_To_mysql_MySQLInstance(spoke, &mysql.MySQLInstance{}, nil); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
}

func TestKeepCarriedStatus(t *testing.T) {
	const annotation = v1alpha1.V1FieldsAnnotation
	tests := map[string]struct {
		obj, old, want map[string]string
	}{
		"left out": {
			old:  map[string]string{annotation: `{"spec.service.type":"NodePort","status.primary":"db-0"}`},
			want: map[string]string{annotation: `{"status.primary":"db-0"}`},
		},
		"forged": {
			obj:  map[string]string{"a": "b", annotation: `{"spec.storage.size":"1536Mi","status.primary":"forged","status.selector":"x"}`},
			old:  map[string]string{annotation: `{"status.primary":"db-0"}`},
			want: map[string]string{"a": "b", annotation: `{"spec.storage.size":"1536Mi","status.primary":"db-0"}`},
		},
		"forged on an object without a status": {
			obj:  map[string]string{"a": "b", annotation: `{"status.primary":"forged"}`},
			want: map[string]string{"a": "b"},
		},
		"unchanged, in another notation": {
			obj:  map[string]string{annotation: `{ "status.primary":"db-0" }`},
			old:  map[string]string{annotation: `{"status.primary":"db-0"}`},
			want: map[string]string{annotation: `{ "status.primary":"db-0" }`},
		},
		"no JSON": {
			obj:  map[string]string{annotation: `{`},
			old:  map[string]string{annotation: `{"status.primary":"db-0"}`},
			want: map[string]string{annotation: `{"status.primary":"db-0"}`},
		},
		"nothing": {},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			obj := &v1alpha1.MySQLInstance{ObjectMeta: metav1.ObjectMeta{Annotations: tc.obj}}
			before := obj.DeepCopy()
			given := obj.Annotations
			old := &v1alpha1.MySQLInstance{ObjectMeta: metav1.ObjectMeta{Annotations: tc.old}}
			if err := v1alpha1.KeepCarriedStatus(obj, old); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, obj.Annotations); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before.Annotations, given); diff != "" {
				t.Errorf("it writes to the annotations it was given (-want +got):\n%s", diff)
			}
		})
	}
}
