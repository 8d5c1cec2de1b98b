package controlplane

import (
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

func TestStillborn(t *testing.T) {
	joined := raftpb.HardState{Term: 1, Commit: 1}
	first := raftpb.Entry{Term: 1, Index: 1}
	tests := map[string]struct {
		state   raftpb.HardState
		entries []raftpb.Entry
		stored  []string
		torn    bool // the log was cut off, as by a copy that was interrupted
		inUse   bool
		want    bool
	}{
		"a log with nothing in it":               {want: true},
		"an entry that was not committed":        {entries: []raftpb.Entry{first}, want: true},
		"a vote before anything was committed":   {state: raftpb.HardState{Term: 1, Vote: 1}, want: true},
		"a database without a key":               {stored: []string{}, want: true},
		"a member that is written down":          {state: joined, entries: []raftpb.Entry{first}},
		"the same, and an entry not yet decided": {state: joined, entries: []raftpb.Entry{first, {Term: 1, Index: 2}}},
		"a database with a key":                  {stored: []string{"rev"}},
		"a log that is cut off":                  {state: joined, entries: []raftpb.Entry{first}, torn: true},
		"one that is in use":                     {inUse: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "member", "wal")
			log, err := wal.Create(zap.NewNop(), path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			if err := log.Save(test.state, test.entries); err != nil {
				t.Fatal(err)
			}
			if !test.inUse {
				if err := log.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if test.torn {
				// After the log's own beginning, in the middle of what was saved.
				if err := os.Truncate(filepath.Join(path, "0000000000000000-0000000000000000.wal"), 100); err != nil {
					t.Fatal(err)
				}
			}
			if test.stored != nil {
				database(t, filepath.Join(dir, "member", "snap"), test.stored)
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

// database makes one as etcd's is.
func database(t *testing.T, dir string, stored []string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(dir, "db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bolt.Tx) error {
		keys, err := tx.CreateBucket(schema.Key.Name())
		for _, key := range stored {
			if err == nil {
				err = keys.Put([]byte(key), []byte("value"))
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
