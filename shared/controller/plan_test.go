package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/duet-api/duet/shared/api/mysql/release"
	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// closed is a window that opens two days after testTime, a Sunday.
func closed(i *v1.MySQLInstance) { i.Spec.MaintenanceWindow = window("Tuesday", "03:00", 60) }

// open is a window that testTime is in.
func open(i *v1.MySQLInstance) { i.Spec.MaintenanceWindow = window("Sunday", "11:30", 60) }

// running are the facts about an instance whose roll-out is in force, and complete if every server serves.
func running(t *testing.T, instance *v1.MySQLInstance, complete bool) facts {
	t.Helper()
	p, err := planRollout(instance, facts{}, "mysql", testTime)
	if err != nil {
		t.Fatal(err)
	}
	p.rollout.Complete = complete
	f := facts{
		recorded: &p.rollout,
		set: &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{annotationRollout: p.rollout.hash()}},
			Spec:       appsv1.StatefulSetSpec{Replicas: new(wantedServers(instance))},
			Status:     appsv1.StatefulSetStatus{UpdateRevision: testRevision},
		},
		pods: map[int]*corev1.Pod{},
	}
	for ordinal := range int(wantedServers(instance)) {
		f.pods[ordinal] = newPod(instance, ordinal, complete)
	}
	return f
}

// TestWhatWaitsForTheWindow has one row for each change that a running instance can see.
func TestWhatWaitsForTheWindow(t *testing.T) {
	tests := map[string]struct {
		change   func(*v1.MySQLInstance, *facts)
		wantHeld []string
	}{
		"nothing":  {change: func(*v1.MySQLInstance, *facts) {}},
		"replicas": {change: func(i *v1.MySQLInstance, _ *facts) { i.Spec.Replicas = new(int32(3)) }},
		"service":  {change: func(i *v1.MySQLInstance, _ *facts) { i.Spec.Service.Type = v1.ServiceNodePort }},
		"storage":  {change: func(i *v1.MySQLInstance, _ *facts) { i.Spec.Storage.VolumeSize = resource.MustParse("20Gi") }},
		"stop":     {change: func(i *v1.MySQLInstance, _ *facts) { i.Spec.PowerState = v1.PowerStopped }},
		"backup":   {change: func(i *v1.MySQLInstance, _ *facts) { i.Spec.Backup = &v1.Backup{Schedule: "0 3 * * *"} }},
		"a dynamic parameter": {change: func(i *v1.MySQLInstance, _ *facts) {
			i.Spec.Parameters = []v1.Parameter{{Name: "max_connections", Value: "9"}}
		}},
		"a static parameter": {
			change: func(i *v1.MySQLInstance, _ *facts) {
				i.Spec.Parameters = []v1.Parameter{{Name: "back_log", Value: "9"}}
			},
			wantHeld: []string{"the settings back_log"},
		},
		"version": {
			change:   func(i *v1.MySQLInstance, _ *facts) { i.Spec.Version = "8.4.4" },
			wantHeld: []string{"version 8.4.3 to 8.4.4"},
		},
		"the newest patch": {
			change:   func(i *v1.MySQLInstance, _ *facts) { i.Spec.MinorUpgradePolicy = v1.MinorUpgradeAutomatic },
			wantHeld: []string{"version 8.4.3 to " + release.All[1].Newest},
		},
		"resources": {
			change:   func(i *v1.MySQLInstance, _ *facts) { i.Spec.Resources.CPU = new(resource.MustParse("2")) },
			wantHeld: []string{"spec.resources"},
		},
		"tls": {
			change:   func(i *v1.MySQLInstance, _ *facts) { i.Spec.TLS.Mode = v1.TLSDisabled },
			wantHeld: []string{"the settings tls_version"},
		},
		"a renewed certificate": {
			change:   func(_ *v1.MySQLInstance, f *facts) { f.certificate.hash = "other" },
			wantHeld: []string{"the certificate"},
		},
		"a restart": {
			change: func(i *v1.MySQLInstance, _ *facts) {
				i.Annotations = map[string]string{v1.AnnotationRestartedAt: "2026-03-01T12:00:00Z"}
			},
			wantHeld: []string{"a restart, asked for at 2026-03-01T12:00:00Z"},
		},
		"the password's Secret": {
			change: func(i *v1.MySQLInstance, _ *facts) {
				i.Spec.Credentials = &v1.Credentials{RootSecretRef: v1.SecretKeyReference{Name: "other", Key: "k"}}
			},
			// The servers' password changes over SQL.
		},
		"several at once": {
			change: func(i *v1.MySQLInstance, _ *facts) {
				i.Spec.Version = "8.4.4"
				i.Spec.Resources.CPU = new(resource.MustParse("2"))
			},
			wantHeld: []string{"version 8.4.3 to 8.4.4", "spec.resources"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			instance := newInstance(closed)
			f := running(t, instance, true)
			before := *f.recorded
			test.change(instance, &f)
			p, err := planRollout(instance, f, "mysql", testTime)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.wantHeld, p.held); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
			if len(test.wantHeld) > 0 && !p.rollout.same(before) {
				t.Error("the held change is made")
			}
			if got, want := p.opens, time.Date(2026, time.March, 3, 3, 0, 0, 0, time.UTC); len(p.held) > 0 && got != want {
				t.Errorf("opens at %s, want %s", got, want)
			}

			for window, change := range map[string]func(*v1.MySQLInstance){
				"none": func(i *v1.MySQLInstance) { i.Spec.MaintenanceWindow = nil }, "open": open,
			} {
				change(instance)
				p, err := planRollout(instance, f, "mysql", testTime)
				if err != nil {
					t.Fatal(err)
				}
				if len(p.held) > 0 || !p.opens.IsZero() {
					t.Errorf("window %s: held %v until %s", window, p.held, p.opens)
				}
				if got := !p.rollout.same(before); got != (len(test.wantHeld) > 0) {
					t.Errorf("window %s: a new roll-out: %v", window, got)
				}
			}
		})
	}
}

// TestWhatDoesNotWait has the states in which there is nothing to disrupt, with a change that else would wait.
func TestWhatDoesNotWait(t *testing.T) {
	tests := map[string]struct {
		before   func(*v1.MySQLInstance)
		complete bool
		after    func(*v1.MySQLInstance)
		world    func(*facts)
		wantHeld bool
	}{
		"a running instance":                 {complete: true, wantHeld: true},
		"the first roll-out is under way":    {},
		"a roll-out is under way":            {},
		"while it is stopped":                {before: stopped, complete: true, after: stopped},
		"together with a stop":               {complete: true, after: stopped},
		"together with a start":              {before: stopped, complete: true},
		"one server is down, for whatever":   {complete: true, world: func(f *facts) { delete(f.pods, 0) }, wantHeld: true},
		"the StatefulSet was deleted, alone": {complete: true, world: func(f *facts) { f.set = nil }, wantHeld: true},
		"the record is lost":                 {complete: true, world: func(f *facts) { f.recorded = nil }, wantHeld: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := newInstance(closed)
			if test.before != nil {
				test.before(before)
			}
			f := running(t, before, test.complete)
			f.set = setOf(t, before, f)
			if test.world != nil {
				test.world(&f)
			}
			after := newInstance(closed, func(i *v1.MySQLInstance) { i.Spec.Resources.CPU = new(resource.MustParse("2")) })
			if test.after != nil {
				test.after(after)
			}
			p, err := planRollout(after, f, "mysql", testTime)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(p.held) > 0; got != test.wantHeld {
				t.Errorf("held: %v, want one: %v", p.held, test.wantHeld)
			}
		})
	}
}

func stopped(i *v1.MySQLInstance) { i.Spec.PowerState = v1.PowerStopped }

// setOf is the StatefulSet as the controller has applied it.
func setOf(t *testing.T, instance *v1.MySQLInstance, f facts) *appsv1.StatefulSet {
	t.Helper()
	w := newWorld(t, instance.DeepCopy())
	w.settle()
	set := &appsv1.StatefulSet{}
	w.get(set, "db")
	set.Status = f.set.Status
	return set
}

// TestVersionSteps walks from the version that is in force to the one that the spec leads to.
func TestVersionSteps(t *testing.T) {
	newest84 := release.All[1].Newest
	tests := map[string]struct {
		inForce  string
		complete bool
		spec     string
		policy   v1.MinorUpgradePolicy
		want     string
		wantNote string
	}{
		"as asked":                        {"8.4.3", true, "8.4.3", v1.MinorUpgradeManual, "8.4.3", ""},
		"a newer patch":                   {"8.4.3", true, "8.4.5", v1.MinorUpgradeManual, "8.4.5", ""},
		"a newer patch mends an upgrade":  {"8.4.3", false, "8.4.5", v1.MinorUpgradeManual, "8.4.5", ""},
		"the next series":                 {"8.0.36", true, "8.4.3", v1.MinorUpgradeManual, "8.4.3", ""},
		"a third one while one is begun":  {"8.4.3", false, "9.1.0", v1.MinorUpgradeManual, "8.4.3", "version 9.1.0 follows"},
		"and after it":                    {"8.4.3", true, "9.1.0", v1.MinorUpgradeManual, "9.1.0", ""},
		"over a series, one at a time":    {"8.0.36", true, "9.1.0", v1.MinorUpgradeManual, newest84, "version 9.1.0 follows"},
		"never back":                      {"8.4.5", true, "8.4.3", v1.MinorUpgradeManual, "8.4.5", "keep version 8.4.5"},
		"never back, in the middle of it": {"8.4.5", false, "8.0.36", v1.MinorUpgradeManual, "8.4.5", "keep version 8.4.5"},
		"the newest patch":                {"8.4.3", true, "8.4.3", v1.MinorUpgradeAutomatic, newest84, "Automatic"},
		"no patch is newer":               {"8.4.99", true, "8.4.99", v1.MinorUpgradeAutomatic, "8.4.99", ""},
		"the policy ends":                 {newest84, true, "8.4.3", v1.MinorUpgradeManual, newest84, "set spec.version to it"},
		"a version that nobody knows":     {"latest", true, "8.4.3", v1.MinorUpgradeManual, "8.4.3", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := newInstance(func(i *v1.MySQLInstance) { i.Spec.Version = test.inForce })
			f := running(t, before, test.complete)
			instance := newInstance(func(i *v1.MySQLInstance) {
				i.Spec.Version, i.Spec.MinorUpgradePolicy = test.spec, test.policy
			})
			p, err := planRollout(instance, f, "mysql", testTime)
			if err != nil {
				t.Fatal(err)
			}
			if got := *p.rollout.container().Image; got != "mysql:"+test.want || p.rollout.Version != test.want {
				t.Errorf("image is %s of version %s, want %s", got, p.rollout.Version, test.want)
			}
			note, _ := p.versionNote(instance)
			if !strings.Contains(note, test.wantNote) || test.wantNote == "" && note != "" {
				t.Errorf("note is %q, want one with %q", note, test.wantNote)
			}
		})
	}
	p, err := planRollout(newInstance(func(i *v1.MySQLInstance) {
		i.Spec.MinorUpgradePolicy = v1.MinorUpgradeAutomatic
	}), facts{}, "mysql", testTime)
	if err != nil || p.rollout.Version != newest84 {
		t.Errorf("a new instance begins with %s, want the newest patch (%v)", p.rollout.Version, err)
	}
}

// TestARestartIsAskedForOnce: the annotation that goes away is no request.
func TestARestartIsAskedForOnce(t *testing.T) {
	instance := newInstance(func(i *v1.MySQLInstance) {
		i.Annotations = map[string]string{v1.AnnotationRestartedAt: "2026-03-01T12:00:00Z"}
	})
	f := running(t, instance, true)
	instance.Annotations = nil
	p, err := planRollout(instance, f, "mysql", testTime)
	if err != nil {
		t.Fatal(err)
	}
	if !p.rollout.same(*f.recorded) {
		t.Error("the servers are restarted because nobody asks for it any more")
	}
}

// TestASeriesIsEnteredOnlyFromOneThatEveryServerRuns, as read from pods and not from a record of the past.
func TestASeriesIsEnteredOnlyFromOneThatEveryServerRuns(t *testing.T) {
	three := func(i *v1.MySQLInstance) { i.Spec.Version, i.Spec.Replicas = "8.4.3", new(int32(3)) }
	tests := map[string]struct {
		world func(*facts)
		want  string
	}{
		"every server runs the version before":  {func(*facts) {}, "9.1.0"},
		"the primary is still to be replaced":   {func(f *facts) { f.pods[0].Labels[appsv1.ControllerRevisionHashLabelKey] = "older" }, "8.4.3"},
		"the primary is being replaced":         {func(f *facts) { delete(f.pods, 0) }, "8.4.3"},
		"the primary was replaced, but is down": {func(f *facts) { f.pods[0] = newPod(newInstance(), 0, false) }, "8.4.3"},
		"the StatefulSet was not looked at yet": {func(f *facts) { f.set.Generation = 5 }, "8.4.3"},
		"the StatefulSet was not written yet":   {func(f *facts) { f.set.Annotations = nil }, "8.4.3"},
		"the StatefulSet is gone":               {func(f *facts) { f.set = nil }, "8.4.3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := running(t, newInstance(three), true)
			f.recorded.Complete = false
			test.world(&f)
			instance := newInstance(three, func(i *v1.MySQLInstance) { i.Spec.Version = "9.1.0" })
			p, err := planRollout(instance, f, "mysql", testTime)
			if err != nil {
				t.Fatal(err)
			}
			if p.rollout.Version != test.want {
				t.Errorf("version %s, want %s", p.rollout.Version, test.want)
			}
		})
	}
}
