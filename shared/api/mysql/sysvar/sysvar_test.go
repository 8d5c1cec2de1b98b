package sysvar

import (
	"regexp"
	"testing"

	"github.com/duet-api/duet/shared/api/mysql/release"
)

func TestTable(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	for _, key := range Names() {
		v, _ := Lookup(key)
		if v.Name != key || !name.MatchString(key) {
			t.Errorf("%q is no name that the API accepts", key)
		}
		if (v.Kind == Integer || v.Kind == Bytes) && v.Min >= v.Max || v.Kind == Float && v.MinFloat >= v.MaxFloat {
			t.Errorf("%s takes nothing", key)
		}
		if (v.Kind == Enum || v.Kind == Set) && len(v.Values) == 0 {
			t.Errorf("%s takes nothing", key)
		}
		known := false
		for _, series := range release.All {
			newest, err := release.Parse(series.Newest)
			if err != nil {
				t.Fatal(err)
			}
			known = known || v.In(newest)
		}
		if !known {
			t.Errorf("no supported release has %s", key)
		}
	}
	if got := len(Names()); got < 100 {
		t.Errorf("the table has only %d variables", got)
	}
}

func TestIn(t *testing.T) {
	tests := map[string]struct {
		variable, release string
		want              bool
	}{
		"always there":         {"max_connections", "8.0.11", true},
		"before it came":       {"innodb_redo_log_capacity", "8.0.29", false},
		"since it came":        {"innodb_redo_log_capacity", "8.0.30", true},
		"the last with it":     {"expire_logs_days", "8.0.45", true},
		"removed":              {"expire_logs_days", "8.4.0", false},
		"one series only":      {"mysql_native_password", "8.4.5", true},
		"not before its":       {"mysql_native_password", "8.0.45", false},
		"not after its series": {"mysql_native_password", "9.0.0", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v, found := Lookup(tc.variable)
			if !found {
				t.Fatalf("%s is not in the table", tc.variable)
			}
			r, err := release.Parse(tc.release)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.In(r); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		variable string
		accepted []string
		refused  map[string]string
	}{
		"boolean": {
			variable: "general_log",
			accepted: []string{"ON", "off", "1", "0", "true", "False"},
			refused: map[string]string{
				"": "must be one of ON, OFF, 1, 0, TRUE, FALSE", "2": "must be one of ON, OFF, 1, 0, TRUE, FALSE",
			},
		},
		"integer": {
			variable: "max_connections",
			accepted: []string{"1", "100000", "0151"},
			refused: map[string]string{
				"0": "must be an integer from 1 to 100000", "100001": "must be an integer from 1 to 100000",
				"": "must be an integer from 1 to 100000", "-1": "must be an integer from 1 to 100000",
				"1K": "must be an integer from 1 to 100000", "1.5": "must be an integer from 1 to 100000",
				"99999999999999999999999": "must be an integer from 1 to 100000",
			},
		},
		"bytes": {
			variable: "max_allowed_packet",
			accepted: []string{"1024", "64M", "1g", "1048576K"},
			refused: map[string]string{
				"1T": "must be an integer from 1024 to 1073741824", "M": "must be an integer from 1024 to 1073741824",
				"64MB": "must be an integer from 1024 to 1073741824", "64Mi": "must be an integer from 1024 to 1073741824",
				"16000000E": "must be an integer from 1024 to 1073741824", "+1M": "must be an integer from 1024 to 1073741824",
			},
		},
		"number": {
			variable: "long_query_time",
			accepted: []string{"0", "0.5", "1e3"},
			refused: map[string]string{
				"NaN": "must be a number from 0 to 31536000", "-1": "must be a number from 0 to 31536000",
				"a": "must be a number from 0 to 31536000",
			},
		},
		"enumeration": {
			variable: "transaction_isolation",
			accepted: []string{"READ-COMMITTED", "serializable"},
			refused: map[string]string{
				"READ COMMITTED": "must be one of READ-UNCOMMITTED, READ-COMMITTED, REPEATABLE-READ, SERIALIZABLE",
			},
		},
		"set": {
			variable: "tls_version",
			accepted: []string{"", "TLSv1.2", "tlsv1.3, TLSv1.2"},
			refused: map[string]string{
				"TLSv1.1":  "must be a comma-separated list of TLSv1.2, TLSv1.3",
				"TLSv1.2,": "must be a comma-separated list of TLSv1.2, TLSv1.3",
			},
		},
		"string": {
			variable: "optimizer_switch",
			accepted: []string{"", "mrr=on,mrr_cost_based=off"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v, _ := Lookup(tc.variable)
			for _, value := range tc.accepted {
				if err := v.Check(value); err != nil {
					t.Errorf("%q: %v", value, err)
				}
			}
			for value, want := range tc.refused {
				if err := v.Check(value); err == nil || err.Error() != want {
					t.Errorf("%q: got %v, want %s", value, err, want)
				}
			}
		})
	}
}

func TestParseBytes(t *testing.T) {
	tests := map[string]struct {
		want    uint64
		refused bool
	}{
		"134217728": {want: 134217728}, "128M": {want: 128 << 20}, "1g": {want: 1 << 30}, "2T": {want: 2 << 40},
		"1P": {want: 1 << 50}, "15E": {want: 15 << 60}, "0": {},
		"": {refused: true}, "G": {refused: true}, "16E": {refused: true}, "1.5G": {refused: true}, " 1G": {refused: true},
	}
	for value, tc := range tests {
		t.Run(value, func(t *testing.T) {
			got, err := ParseBytes(value)
			if (err != nil) != tc.refused || got != tc.want {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}
