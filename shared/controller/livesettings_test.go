package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
)

// TestSettingsThatAServerStartedWith: a parameter that left the spec while its server started is found in the server.
func TestSettingsThatAServerStartedWith(t *testing.T) {
	c := newMachines(t, 1)
	c.at(0).fromFile = []string{"datadir", "innodb_buffer_pool_size", "innodb_read_io_threads", "sort_buffer_size", "unheard_of"}
	c.at(0).variables["sort_buffer_size"] = "1048576"
	c.settle()
	if got := c.at(0).variables["sort_buffer_size"]; got != "the default" {
		t.Errorf("sort_buffer_size is %s", got)
	}
	var pod corev1.Pod
	c.get(&pod, "db-0")
	if got := pod.Annotations[annotationLiveSettings]; got != bufferPoolSize {
		t.Errorf("remembered are %q", got)
	}
	if got := len(c.at(0).variables); got != 2 {
		t.Errorf("set was more than that: %v", c.at(0).variables)
	}
}

func TestApplyLive(t *testing.T) {
	tests := map[string]struct {
		wanted  []setting
		before  []string
		server  map[string]string
		memory  map[string]shown
		heard   []string
		refused []string
		want    []string
	}{
		"in force already, in other words": {
			wanted: []setting{
				{"general_log", "0"}, {"long_query_time", "2"}, {"max_allowed_packet", "64M"},
				{"sql_mode", "strict_trans_tables, ANSI"}, {"transaction_isolation", "read-committed"},
			},
			server: map[string]string{
				"general_log": "OFF", "long_query_time": "2.000000", "max_allowed_packet": "67108864",
				"sql_mode": "ANSI,STRICT_TRANS_TABLES", "transaction_isolation": "READ-COMMITTED",
			},
			want: []string{"general_log", "long_query_time", "max_allowed_packet", "sql_mode", "transaction_isolation"},
		},
		"each in the form that SET takes": {
			wanted: []setting{
				{"concurrent_insert", "2"}, {"general_log", "TRUE"}, {"init_connect", "SET @a = 1"}, {"long_query_time", "0.5"},
				{"max_allowed_packet", "64M"}, {"slow_query_log", "off"},
			},
			server: map[string]string{
				"concurrent_insert": "AUTO", "general_log": "OFF", "init_connect": "", "long_query_time": "10.000000",
				"max_allowed_packet": "1024", "slow_query_log": "ON",
			},
			heard: []string{
				" set concurrent_insert = 2", " set general_log = 1", " set init_connect = SET @a = 1", " set long_query_time = 0.5",
				" set max_allowed_packet = 67108864", " set slow_query_log = 0",
			},
			want: []string{
				"concurrent_insert", "general_log", "init_connect", "long_query_time", "max_allowed_packet", "slow_query_log",
			},
		},
		"set before, and shown otherwise": {
			wanted: []setting{{"innodb_buffer_pool_size", "100M"}},
			server: map[string]string{"innodb_buffer_pool_size": "134217728"},
			memory: map[string]shown{"innodb_buffer_pool_size": {"100M", "134217728"}},
			want:   []string{"innodb_buffer_pool_size"},
		},
		"set before, and changed by somebody since": {
			wanted: []setting{{"max_connections", "100"}},
			server: map[string]string{"max_connections": "7"},
			memory: map[string]shown{"max_connections": {"100", "100"}},
			heard:  []string{" set max_connections = 100"},
			want:   []string{"max_connections"},
		},
		"no longer wanted": {
			wanted: []setting{{"max_connections", "100"}},
			before: []string{"max_connections", "sort_buffer_size", ""},
			server: map[string]string{"max_connections": "100", "sort_buffer_size": "1048576"},
			heard:  []string{" set sort_buffer_size = <nil>"},
			want:   []string{"max_connections"},
		},
		"refused": {
			wanted:  []setting{{"lc_time_names", "refused"}},
			server:  map[string]string{"lc_time_names": "en_US"},
			refused: []string{"lc_time_names: could not set lc_time_names: Error 1231"},
			want:    []string{"lc_time_names"},
		},
		"unknown to the server": {
			wanted:  []setting{{"max_connections", "5"}},
			refused: []string{"max_connections:   has no such variable"},
			want:    []string{"max_connections"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			network := &fakeServers{}
			session := &fakeSession{&fakeServer{variables: test.server}, network}
			if test.memory == nil {
				test.memory = map[string]shown{}
			}
			got, refused, err := applyLive(t.Context(), session, test.wanted, test.before, test.memory)
			if err != nil {
				t.Fatal(err)
			}
			for _, check := range []struct {
				what      string
				want, got []string
			}{{"statements", test.heard, network.heard}, {"refused", test.refused, refused}, {"remembered", test.want, got}} {
				if diff := cmp.Diff(check.want, check.got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", check.what, diff)
				}
			}
		})
	}
}
