package database

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFlavor(t *testing.T) {
	tests := map[string]struct {
		version, comment string
		want             string
		wantClone        bool
		wantErr          bool
	}{
		"MySQL":                       {version: "8.4.8", comment: "MySQL Community Server - GPL", want: "MySQL 8.4.8", wantClone: true},
		"with a suffix":               {version: "8.0.45-0ubuntu0.24.04.1", comment: "(Ubuntu)", want: "MySQL 8.0.45", wantClone: true},
		"before the plugin":           {version: "8.0.16", want: "MySQL 8.0.16"},
		"MariaDB":                     {version: "10.11.19-MariaDB-0+deb12u1", comment: "Debian 12", want: "MariaDB 10.11.19"},
		"MariaDB for old clients":     {version: "5.5.5-11.4.2-MariaDB", want: "MariaDB 11.4.2"},
		"MariaDB, by its comment":     {version: "11.8.1", comment: "mariadb.org binary distribution", want: "MariaDB 11.8.1"},
		"something that is no server": {version: "hello", wantErr: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseFlavor(test.version, test.comment)
			if (err != nil) != test.wantErr {
				t.Fatalf("got error %v", err)
			}
			if err == nil && (got.String() != test.want || got.CanClone() != test.wantClone) {
				t.Errorf("got %s, clone %v; want %s, %v", got, got.CanClone(), test.want, test.wantClone)
			}
		})
	}
}

func TestState(t *testing.T) {
	behind := 7 * time.Second
	tests := map[string]struct {
		flavor  string
		answers map[string][][]any
		want    State
	}{
		"a primary of MySQL": {
			flavor: "MySQL 8.4.8",
			answers: map[string][][]any{
				"executed":    {{"a", "b", "c", "d"}, {"u:1-3,\nv:1", int64(1), int64(0), int64(0)}},
				selectSchemas: {{"schema_name"}, {"shop"}},
				showCipher:    {{"Variable_name", "Value"}, {"Ssl_cipher", "TLS_AES_128_GCM_SHA256"}},
			},
			want: State{Executed: "u:1-3,v:1", Complete: true, Schemas: []string{"shop"}, Encrypted: true},
		},
		"a replica of MySQL, beside a channel of somebody else": {
			flavor: "MySQL 8.4.8",
			answers: map[string][][]any{
				"executed": {{"a", "b", "c", "d"}, {"u:1-3", int64(0), int64(1), int64(1)}},
				"SHOW REPLICA STATUS": {
					{
						"Source_Host", "Source_Port", "Source_User", "Replica_IO_Running", "Replica_SQL_Running", "Last_IO_Errno",
						"Last_IO_Error", "Last_SQL_Errno", "Last_SQL_Error", "Seconds_Behind_Source", "Auto_Position", "Channel_Name",
						"Source_SSL_Allowed",
					},
					{"elsewhere", "3306", "x", "No", "No", "0", "", "0", "", nil, "0", "other", "No"},
					{"db-0", "3306", "duet", "Connecting", "No", "2003", "cannot connect", "1062", "duplicate", "7", "1", "", "Yes"},
				},
			},
			want: State{
				Executed: "u:1-3", ReadOnly: true, SuperReadOnly: true, Schemas: []string{},
				Source: &Following{
					Host: "db-0", Port: 3306, User: "duet", ByGTID: true, Encrypted: true, Behind: &behind,
					Receiver: Thread{State: Connecting, Code: 2003, Error: "cannot connect"},
					Applier:  Thread{State: Stopped, Code: 1062, Error: "duplicate"},
				},
			},
		},
		"a replica of MariaDB": {
			flavor: "MariaDB 10.11",
			answers: map[string][][]any{
				"executed":    {{"a", "b", "c", "d"}, {"0-10-5", int64(1), int64(1), int64(0)}},
				selectSchemas: {{"schema_name"}, {"duet_wiping"}, {"shop"}},
				"SHOW SLAVE STATUS": {
					{
						"Master_Host", "Master_Port", "Master_User", "Slave_IO_Running", "Slave_SQL_Running", "Last_IO_Errno",
						"Last_IO_Error", "Last_SQL_Errno", "Last_SQL_Error", "Seconds_Behind_Master", "Using_Gtid",
					},
					{"db-0", "3306", "duet", "Yes", "Yes", "0", "", "0", "", nil, "Slave_Pos"},
				},
				showBinaryLogs: {{"Log_name", "File_size"}, {"mysql-bin.000002", "385"}},
				binaryLogStart: {{"before"}, {"0-10-1"}},
			},
			want: State{
				Executed: "0-10-5", ReadOnly: true, Schemas: []string{"shop"}, Wiping: true,
				Source: &Following{
					Host: "db-0", Port: 3306, User: "duet", ByGTID: true,
					Receiver: Thread{State: Running}, Applier: Thread{State: Running},
				},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(flavors[test.flavor][0], flavors[test.flavor][1])
			s := r.open(t)
			for query, answer := range test.answers {
				if query == "executed" {
					query = s.words.executed
				}
				r.answers[query] = answer
			}
			got, err := s.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoErrorRepeatsAPassword(t *testing.T) {
	const password = "hunter2"
	for name, answer := range map[string]*mysql.MySQLError{
		"of a statement it cannot parse": {Number: 1064, Message: "error near '''hunt' at line 1"},
		"that repeats it":                {Number: 1819, Message: "hunter2 does not satisfy the policy"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder("8.4.8", "")
			s := r.open(t)
			r.answers["SELECT @@GLOBAL.super_read_only"] = [][]any{{"super"}, {int64(0)}}
			r.answers[s.words.accounts] = [][]any{{"Host"}, {"%"}}
			r.answers[countUser] = [][]any{{"count"}, {int64(1)}}
			for _, statement := range []string{
				"ALTER USER ?@? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", s.words.createUser, s.words.changeSource,
			} {
				r.errors[statement] = answer
			}
			for _, err := range []error{
				s.SetRootPassword(t.Context(), password),
				s.EnsureReplicationUser(t.Context(), "u", password, true),
				s.Follow(t.Context(), Source{Host: "h", Password: password}),
			} {
				var kept *mysql.MySQLError
				if !errors.As(err, &kept) || kept.Number != answer.Number {
					t.Fatalf("got %v, want its number to be kept", err)
				}
				if strings.Contains(err.Error(), "hunt") {
					t.Errorf("the error repeats the password: %v", err)
				}
			}
		})
	}
}

func TestVariables(t *testing.T) {
	r := newRecorder("8.4.8", "")
	s := r.open(t)
	for _, set := range []struct {
		name  string
		value any
		want  string
	}{
		{"max_connections", uint64(500), "SET GLOBAL max_connections = ? <- 500"},
		{"long_query_time", 0.5, "SET GLOBAL long_query_time = ? <- 0.5"},
		{"init_connect", "SET @a = 'b'", "SET GLOBAL init_connect = ? <- SET @a = 'b'"},
		{"max_connections", nil, "SET GLOBAL max_connections = DEFAULT"},
	} {
		r.heard = nil
		if err := s.SetVariable(t.Context(), set.name, set.value); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{set.want}, r.heard); diff != "" {
			t.Errorf("statements (-want +got):\n%s", diff)
		}
	}
	r.heard = nil
	if err := s.SetVariable(t.Context(), "a = 1, b", uint64(1)); err == nil || len(r.heard) > 0 {
		t.Errorf("a name that is none was sent: %v, %v", err, r.heard)
	}
}

func TestMissingGTIDs(t *testing.T) {
	tests := map[string]struct{ own, other, want string }{
		"nothing":                     {},
		"the same":                    {own: "0-10-5", other: "0-10-5"},
		"behind":                      {own: "0-10-5", other: "0-10-3"},
		"ahead":                       {own: "0-10-5", other: "0-10-6", want: "0-10-6"},
		"own writes of the other":     {own: "0-10-5", other: "0-11-6,0-10-5", want: "0-11-6"},
		"an empty server":             {other: "0-10-5, 1-10-2", want: "0-10-5,1-10-2"},
		"the same stream named twice": {own: "0-10-5,0-10-9", other: "0-10-7"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := missingGTIDs(test.own, test.other)
			if err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
	for _, bad := range []string{"0-10", "a-b-c", "u:1-3"} {
		if _, err := missingGTIDs("", bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestFromFile(t *testing.T) {
	for flavor, table := range map[string]string{
		"MySQL 8.4.8": "performance_schema.variables_info", "MariaDB 10.11": "information_schema.system_variables",
	} {
		r := newRecorder(flavors[flavor][0], flavors[flavor][1])
		s := r.open(t)
		r.answers[s.words.fromFile] = [][]any{{"name"}, {"back_log"}, {"max_connections"}}
		got, err := s.FromFile(t.Context(), "conf.d/my.cnf")
		if err != nil || !cmp.Equal(got, []string{"back_log", "max_connections"}) {
			t.Errorf("%s: got %v, %v", flavor, got, err)
		}
		if !strings.Contains(r.heard[0], table) || !strings.HasSuffix(r.heard[0], " <- conf.d/my.cnf | conf.d/my.cnf") {
			t.Errorf("%s: asked %s", flavor, r.heard[0])
		}
	}
}
