package controlplane

import (
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

func TestStillborn(t *testing.T) {
	tests := map[string]struct {
		state   raftpb.HardState
		entries []raftpb.Entry
		want    bool
	}{
		"a log with nothing in it":               {want: true},
		"an entry that was not committed":        {entries: []raftpb.Entry{{Term: 1, Index: 1}}, want: true},
		"a vote before anything was committed":   {state: raftpb.HardState{Term: 1, Vote: 1}, want: true},
		"a member that is written down":          {state: raftpb.HardState{Term: 1, Commit: 1}, entries: []raftpb.Entry{{Term: 1, Index: 1}}},
		"the same, and an entry not yet decided": {state: raftpb.HardState{Term: 1, Commit: 1}, entries: []raftpb.Entry{{Term: 1, Index: 1}, {Term: 1, Index: 2}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log, err := wal.Create(zap.NewNop(), filepath.Join(dir, "member", "wal"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := log.Save(test.state, test.entries); err != nil {
				t.Fatal(err)
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			if got := stillborn(dir); got != test.want {
				t.Errorf("stillborn = %t, want %t", got, test.want)
			}
		})
	}
	if stillborn(t.TempDir()) {
		t.Error("an etcd that was never started is said to have been stopped")
	}
}
