package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/duet-api/duet/shared/api/mysql"
)

// Each rule's accepted and refused objects are in ../corpus. Here is what a corpus cannot say: the words, what an update
// does with an old object that no server would store, and the warnings.

func valid(change func(*mysql.MySQLInstance)) *mysql.MySQLInstance {
	cpu, memory := resource.MustParse("500m"), resource.MustParse("1Gi")
	obj := &mysql.MySQLInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "default", ResourceVersion: "1"},
		Spec: mysql.MySQLInstanceSpec{
			Version:            "8.4.5",
			Replicas:           ptr.To[int32](1),
			Resources:          mysql.Resources{CPU: &cpu, Memory: &memory},
			Storage:            mysql.Storage{VolumeSize: resource.MustParse("10Gi")},
			TLS:                mysql.TLS{Mode: mysql.TLSPreferred},
			Service:            mysql.Service{Type: mysql.ServiceClusterIP, Port: ptr.To[int32](3306)},
			MinorUpgradePolicy: mysql.MinorUpgradeManual,
			DeletionPolicy:     mysql.DeletionRetain,
			PowerState:         mysql.PowerRunning,
			Backup: &mysql.Backup{Schedule: "@daily", RetentionDays: ptr.To[int32](7),
				Storage: mysql.Storage{VolumeSize: resource.MustParse("10Gi")}},
		},
	}
	if change != nil {
		change(obj)
	}
	return obj
}

func messages(errs field.ErrorList) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

func TestWords(t *testing.T) {
	tests := map[string]struct {
		change func(*mysql.MySQLInstance)
		want   []string
	}{
		"valid": {change: nil},
		"the name is still to be generated": {
			change: func(obj *mysql.MySQLInstance) { obj.Name, obj.GenerateName = "", "db-" },
		},
		"a version": {
			change: func(obj *mysql.MySQLInstance) { obj.Spec.Version = "5.7.44" },
			want:   []string{`spec.version: Invalid value: "5.7.44": must be X.Y.Z of series 8.0, 8.4 or 9.x`},
		},
		"a schedule": {
			change: func(obj *mysql.MySQLInstance) { obj.Spec.Backup.Schedule = "* * *" },
			want: []string{`spec.backup.schedule: Invalid value: "* * *": must be a cron schedule: ` +
				`expected exactly 5 fields, found 3: [* * *]`},
		},
		"a buffer pool": {
			change: func(obj *mysql.MySQLInstance) {
				obj.Spec.Parameters = []mysql.Parameter{{Name: "innodb_buffer_pool_size", Value: "2G"}}
			},
			want: []string{`spec.parameters[0].value: Invalid value: "2G": must fit into the memory of 1Gi`},
		},
		"an owned parameter": {
			change: func(obj *mysql.MySQLInstance) {
				obj.Spec.Parameters = []mysql.Parameter{{Name: "server_id", Value: "7"}}
			},
			want: []string{`spec.parameters[0].name: Forbidden: is set by the controller: each server of the instance needs its own`},
		},
		"a parameter of another release": {
			change: func(obj *mysql.MySQLInstance) {
				obj.Spec.Parameters = []mysql.Parameter{{Name: "expire_logs_days", Value: "7"}}
			},
			want: []string{`spec.parameters[0].name: Invalid value: "expire_logs_days": is no system variable of MySQL 8.4.5`},
		},
		"a parameter that is no text": {
			change: func(obj *mysql.MySQLInstance) {
				obj.Spec.Parameters = []mysql.Parameter{{Name: "sql_mode", Value: "\xff"}}
			},
			want: []string{`spec.parameters[0].value: Invalid value: "\ufffd": must be one line of text, without control characters`},
		},
		"an unknown version leaves the table to check parameters": {
			change: func(obj *mysql.MySQLInstance) {
				obj.Spec.Version = ""
				obj.Spec.Parameters = []mysql.Parameter{{Name: "expire_logs_days", Value: "100"}}
			},
			want: []string{
				`spec.version: Required value`,
				`spec.parameters[0].value: Invalid value: "100": must be an integer from 0 to 99`,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, messages(ValidateMySQLInstance(valid(tc.change)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpdateAndWhatWasWrongBefore(t *testing.T) {
	wrong := func(obj *mysql.MySQLInstance) {
		obj.Spec.Replicas = ptr.To[int32](10)
		obj.Spec.Parameters = []mysql.Parameter{{Name: "no_such_variable", Value: "1"}}
		obj.Annotations = map[string]string{"mysql.example.com/v1alpha1-fields": `{"instanceClass":"huge"}`}
	}
	tests := map[string]struct {
		old, change func(*mysql.MySQLInstance)
		want        []string
	}{
		"a finalizer goes": {
			old:    func(obj *mysql.MySQLInstance) { wrong(obj); obj.Finalizers = []string{"example.com/f"} },
			change: func(obj *mysql.MySQLInstance) { obj.Finalizers = nil },
		},
		"another field changes": {old: wrong, change: func(obj *mysql.MySQLInstance) { obj.Spec.Service.Port = ptr.To[int32](3307) }},
		"the wrong value changes": {
			old: wrong, change: func(obj *mysql.MySQLInstance) { obj.Spec.Replicas = ptr.To[int32](11) },
			want: []string{`spec.replicas: Invalid value: 11: must be between 1 and 9`},
		},
		"it is corrected": {old: wrong, change: func(obj *mysql.MySQLInstance) { obj.Spec.Replicas = ptr.To[int32](9) }},
		"a transition is never old": {
			old:    nil,
			change: func(obj *mysql.MySQLInstance) { obj.Spec.Version = "8.4.4" },
			want:   []string{`spec.version: Invalid value: "8.4.4": may not fall`},
		},
		"another transition": {
			old:    func(obj *mysql.MySQLInstance) { obj.Spec.Version = "8.0.36" },
			change: func(obj *mysql.MySQLInstance) { obj.Spec.Version = "9.0.0" },
			want:   []string{`spec.version: Invalid value: "9.0.0": may rise by one release series at a time: go to 8.4 first`},
		},
		"the name is fixed": {
			change: func(obj *mysql.MySQLInstance) { obj.Name = "other" },
			want:   []string{`metadata.name: Invalid value: "other": field is immutable`},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			old := valid(tc.old)
			obj := old.DeepCopy()
			tc.change(obj)
			if diff := cmp.Diff(tc.want, messages(ValidateMySQLInstanceUpdate(obj, old))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	tests := map[string]struct {
		old, obj *mysql.MySQLInstance
		want     []string
	}{
		"none": {obj: valid(nil)},
		"all": {
			obj: valid(func(obj *mysql.MySQLInstance) {
				obj.Spec.Version, obj.Spec.Replicas, obj.Spec.Backup = "8.0.36", ptr.To[int32](2), nil
				obj.Finalizers = []string{"foo.com", "foo", "foo.com/bar", "orphan", "a b"}
			}),
			want: []string{
				"MySQL 8.0 is deprecated: move to a newer release series",
				"no backup is scheduled: a lost volume is lost data",
				"2 is an even number of servers: no side of a split has the majority",
				`metadata.finalizers: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must ` +
					`start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for ` +
					`validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
				`metadata.finalizers: "a b": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers`,
				`metadata.finalizers: "foo": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers`,
				`metadata.finalizers: "foo.com": prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers`,
			},
		},
		"an update of the metadata": {
			old: valid(func(obj *mysql.MySQLInstance) { obj.Spec.Backup = nil; obj.Finalizers = []string{"foo"} }),
			obj: valid(func(obj *mysql.MySQLInstance) { obj.Spec.Backup = nil; obj.Finalizers = []string{"foo"} }),
		},
		"an update of the spec": {
			old:  valid(nil),
			obj:  valid(func(obj *mysql.MySQLInstance) { obj.Spec.Backup = nil }),
			want: []string{"no backup is scheduled: a lost volume is lost data"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Warnings(tc.obj, tc.old)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
