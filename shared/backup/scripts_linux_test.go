package backup_test

// The scripts run for real here, on files of this machine, with a dump and a client that the test can make fail. With a
// real server they run in e2e/mysql.

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duet-api/duet/shared/backup"
)

func TestBackup(t *testing.T) {
	m := newMachine(t)
	output, err := m.run(backup.Script)
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	name := m.single()
	if want := []string{name, name + ".sha256"}; !slices.Equal(want, m.stored()) {
		t.Errorf("stored are %v, want %v", m.stored(), want)
	}
	unzipped, err := gzip.NewReader(strings.NewReader(m.read("backups/" + name)))
	if err != nil {
		t.Fatal(err)
	}
	sql, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	want := "-- the data, read with the password it's a secret\n" +
		"USE `mysql`;\n-- the accounts\n-- the accounts\nFLUSH PRIVILEGES;\n"
	if diff := cmp.Diff(want, string(sql)); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
	sum := sha256.Sum256([]byte(m.read("backups/" + name)))
	if got, want := m.read("backups/"+name+".sha256"), hex.EncodeToString(sum[:])+"  "+name+"\n"; got != want {
		t.Errorf("the checksum is %q, want %q", got, want)
	}
	if strings.Contains(m.read("calls"), "secret") {
		t.Errorf("the password is on a command line:\n%s", m.read("calls"))
	}
}

// TestDumpOptions are those that decide whether a restore works.
func TestDumpOptions(t *testing.T) {
	const mariadb = "FLAVOR=10.11.6-MariaDB"
	tests := map[string]struct {
		env          []string
		want, refuse []string
		wantErr      bool
	}{
		"one consistent state with everything in it": {
			want: []string{
				"--no-defaults ", " --single-transaction ", " --routines ", " --events ", " --triggers ", " --hex-blob ",
				" --host=db-primary ", " --port=3307 ", " --databases -- shop\n",
			},
		},
		"a restore is a transaction like any other": {want: []string{" --set-gtid-purged=OFF "}},
		"the position in the binary log is a comment": {
			want: []string{" --source-data=2 "}, refuse: []string{"--master-data"},
		},
		"under its older name": {
			env: []string{"POSITION_OPTION=--master-data"}, want: []string{" --master-data=2 "},
		},
		"MariaDB knows no such option": {env: []string{mariadb}, refuse: []string{"gtid-purged"}},
		"no account that a server makes": {
			want: []string{"--where=User NOT IN ('root', ", " mysql db user\n", " mysql role_edges\n"},
		},
		"databases with odd names": {
			env: []string{"DATABASES=two words\n-dash"}, want: []string{" --databases -- two words -dash\n"},
		},
		"accounts if there is no database": {
			env: []string{"DATABASES="}, want: []string{" mysql db user\n"}, refuse: []string{"--databases"},
		},
		"TLS where there is TLS": {want: []string{" --ssl-mode=PREFERRED "}},
		"no TLS": {
			env: []string{"TLS_MODE=Disabled"}, want: []string{" --ssl-mode=DISABLED --get-server-public-key "},
		},
		"TLS": {
			env: []string{"TLS_MODE=Required"}, want: []string{" --ssl-mode=REQUIRED "}, refuse: []string{"--ssl-ca"},
		},
		"TLS with an authority": {
			env:  []string{"TLS_MODE=Required", "TLS_CA=/tls/ca.crt"},
			want: []string{" --ssl-mode=VERIFY_CA --ssl-ca=/tls/ca.crt "},
		},
		"TLS where there is TLS, MariaDB": {env: []string{mariadb}, want: []string{" --skip-ssl-verify-server-cert "}},
		"no TLS, MariaDB":                 {env: []string{mariadb, "TLS_MODE=Disabled"}, want: []string{" --skip-ssl "}},
		"TLS, MariaDB": {
			env: []string{mariadb, "TLS_MODE=Required"}, want: []string{" --ssl --skip-ssl-verify-server-cert "},
		},
		"TLS with an authority, MariaDB": {
			env:  []string{mariadb, "TLS_MODE=Required", "TLS_CA=/tls/ca.crt"},
			want: []string{" --ssl --ssl-verify-server-cert --ssl-ca=/tls/ca.crt "},
		},
		"no such mode": {env: []string{"TLS_MODE=Sometimes"}, wantErr: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			output, err := m.run(backup.Script, test.env...)
			if test.wantErr {
				if err == nil || len(m.stored()) > 0 {
					t.Errorf("got error %v, files %v", err, m.stored())
				}
				return
			}
			if err != nil {
				t.Fatalf("%v:\n%s", err, output)
			}
			calls := m.read("calls")
			for _, want := range test.want {
				if !strings.Contains(calls, want) {
					t.Errorf("%q is missing in\n%s", want, calls)
				}
			}
			for _, refuse := range test.refuse {
				if strings.Contains(calls, refuse) {
					t.Errorf("%q is in\n%s", refuse, calls)
				}
			}
		})
	}
}

// TestFailuresLeaveNothingNew, and take nothing old, however old it is.
func TestFailuresLeaveNothingNew(t *testing.T) {
	limited := func(m *machine) {
		// A file may have 8 KiB: the write in the middle fails, as it does on a full volume.
		m.file("limited.sh", "ulimit -f 8\n. "+filepath.Join(m.dir, backup.Script), 0)
	}
	tests := map[string]struct {
		prepare func(*machine)
		script  string
		env     []string
	}{
		"the dump fails in the middle": {env: []string{`DURING_DUMP=echo half; exit 3`}},
		"the dump of the accounts fails": {
			env: []string{`DURING_DUMP=case " $* " in *" --databases "*) ;; *) exit 3 ;; esac`},
		},
		"the server is not there": {prepare: func(m *machine) { m.file("bin/mysql", "#!/bin/sh\nexit 1\n", 0) }},
		"the volume is full": {
			prepare: limited, script: "limited.sh", env: []string{`DURING_DUMP=head -c 100000 /dev/urandom`},
		},
		"what was written is damaged": {
			prepare: func(m *machine) { m.file("bin/gzip", "#!/bin/sh\n[ $# = 0 ] && exec cat\nexit 1\n", 0) },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.put("20200101T000000Z-old.sql.gz", "old", 1000)
			want := m.stored()
			if test.prepare != nil {
				test.prepare(m)
			}
			script := test.script
			if script == "" {
				script = backup.Script
			}
			if output, err := m.run(script, test.env...); err == nil {
				t.Errorf("it did not fail:\n%s", output)
			}
			if diff := cmp.Diff(want, m.stored()); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
}

func TestRetention(t *testing.T) {
	m := newMachine(t)
	m.put("20260101T000000Z-a.sql.gz", "old", 8)
	m.put("20260102T000000Z-b.sql.gz", "not old enough", 6)
	m.file("backups/notes.txt", "somebody's", 1000)
	m.file("backups/20260101T000000Z-killed.sql.gz.partial", "half", 2)
	m.file("backups/20260108T000000Z-running.sql.gz.partial", "half", 0)
	output, err := m.run(backup.Script)
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	got := slices.DeleteFunc(m.stored(), func(name string) bool { return strings.Contains(name, "-pod.") })
	want := []string{
		"20260102T000000Z-b.sql.gz", "20260102T000000Z-b.sql.gz.sha256",
		"20260108T000000Z-running.sql.gz.partial", "notes.txt",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is left beside the new backup (-want +got):\n%s", diff)
	}
	if !strings.Contains(output, "20260101T000000Z-a.sql.gz is older than 7 days") {
		t.Errorf("it does not say what it removed:\n%s", output)
	}
}

// TestTheNewestIsNeverTooOld, not even on a volume whose server has another opinion of the time.
func TestTheNewestIsNeverTooOld(t *testing.T) {
	m := newMachine(t)
	m.file("bin/sync", "#!/bin/sh\ntouch -d 2000-01-01 \"$1\"\n", 0)
	if output, err := m.run(backup.Script); err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	m.single()
}

// pause makes a dump say that it runs and wait to be let on.
const pause = `DURING_DUMP=case " $* " in *" --databases "*) echo > "$BEGUN"; read -r < "$LET_ON" ;; esac`

// paused runs a backup up to the middle of its dump.
func (m *machine) paused() (command *exec.Cmd, letOn func()) {
	m.t.Helper()
	begun, on := filepath.Join(m.dir, "begun"), filepath.Join(m.dir, "on")
	for _, fifo := range []string{begun, on} {
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	command, output := m.command(backup.Script, pause, "BEGUN="+begun, "LET_ON="+on, "HOSTNAME=paused")
	if err := command.Start(); err != nil {
		m.t.Fatal(err)
	}
	if _, err := os.ReadFile(begun); err != nil {
		m.t.Fatalf("%v:\n%s", err, output)
	}
	return command, func() {
		if err := os.WriteFile(on, []byte("\n"), 0o600); err != nil {
			m.t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			m.t.Fatalf("%v:\n%s", err, output)
		}
	}
}

func TestTwoAtOnce(t *testing.T) {
	m := newMachine(t)
	_, letOn := m.paused()
	if output, err := m.run(backup.Script); err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	m.single()
	letOn()
	var pods []string
	for _, name := range m.stored() {
		if _, pod, ok := strings.Cut(name, "Z-"); ok {
			pods = append(pods, pod)
		}
	}
	slices.Sort(pods)
	want := []string{"paused.sql.gz", "paused.sql.gz.sha256", "pod.sql.gz", "pod.sql.gz.sha256"}
	if diff := cmp.Diff(want, pods); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestKilledInTheMiddle(t *testing.T) {
	m := newMachine(t)
	command, _ := m.paused()
	if err := syscall.Kill(-command.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil {
		t.Fatal("it was not killed")
	}
	for _, name := range m.stored() {
		if !strings.HasSuffix(name, ".partial") {
			t.Errorf("%s looks like a backup", name)
		}
	}
	if output, err := m.run(backup.RestoreScript); err == nil {
		t.Errorf("something was restored:\n%s", output)
	}
}

func TestRestore(t *testing.T) {
	tests := map[string]struct {
		prepare func(*machine)
		env     []string
		want    string
		wantErr string
	}{
		"the newest": {want: "newer"},
		"a given one": {
			env: []string{"BACKUP=20260101T000000Z-a.sql.gz"}, want: "older",
		},
		"one that does not exist": {env: []string{"BACKUP=none.sql.gz"}, wantErr: "none.sql.gz.sha256"},
		"a damaged one": {
			prepare: func(m *machine) { m.file("backups/20260102T000000Z-b.sql.gz", "damaged", 0) },
			wantErr: "FAILED",
		},
		"one without a checksum": {
			prepare: func(m *machine) { m.file("backups/20260103T000000Z-c.sql.gz", "unknown", 0) },
			wantErr: "20260103T000000Z-c.sql.gz.sha256",
		},
		"the client fails": {
			prepare: func(m *machine) { m.file("bin/mysql", "#!/bin/sh\necho syntax error\nexit 1\n", 0) },
			wantErr: "syntax error",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.put("20260101T000000Z-a.sql.gz", "older", 0)
			m.put("20260102T000000Z-b.sql.gz", "newer", 5)
			if test.prepare != nil {
				test.prepare(m)
			}
			output, err := m.run(backup.RestoreScript, test.env...)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(output, test.wantErr) {
					t.Errorf("got %v, want it to say %q:\n%s", err, test.wantErr, output)
				}
				if _, err := os.Stat(filepath.Join(m.dir, "received")); err == nil {
					t.Error("the server was given something")
				}
				return
			}
			if err != nil {
				t.Fatalf("%v:\n%s", err, output)
			}
			if got := m.read("received"); got != test.want {
				t.Errorf("the server was given %q, want %q", got, test.want)
			}
			if calls := m.read("calls"); !strings.Contains(calls, "--host=db-primary") || strings.Contains(calls, "secret") {
				t.Errorf("called as\n%s", calls)
			}
		})
	}
}
