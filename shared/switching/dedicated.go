package switching

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/duet-api/duet/shared/install"
)

// What follows is what strategy dedicated does more: refuse writes, copy, and see to it that the copy is newer than anything that
// the old form has ever said.

// headroom is how many revisions the old storage may go on by, from the copy to the flip: other resources are in it too.
const headroom = 5000

// farthest is how many revisions are made up for, one write each. More would take minutes in which writes are refused.
const farthest = 1_000_000

// stores opens the storage of both forms.
func (m *move) stores(ctx context.Context) (source, target *store, err error) {
	if source, err = openStore(ctx, m.from.plan.Etcd); err != nil {
		return nil, nil, err
	}
	if target, err = openStore(ctx, m.to.plan.Etcd); err != nil {
		source.close()
		return nil, nil, err
	}
	return source, target, nil
}

// copyObjects gives the other form every object, bytes and all, and revisions that are newer than any of the old form's.
// The server of the other form must not run: its cache has to begin after that, so that it sends everybody who asks for
// something older to read everything anew.
func (m *move) copyObjects(ctx context.Context) error {
	if m.state.Restores {
		return m.restore(ctx)
	}
	source, target, err := m.stores(ctx)
	if err != nil {
		return err
	}
	defer source.close()
	defer target.close()
	objects, err := source.read(ctx)
	if err != nil {
		return err
	}
	raised := objects.revision + headroom
	if err := target.raise(ctx, raised, m.installer.Progress); err != nil {
		return err
	}
	m.progress("  copying %d objects", len(objects.values))
	if err := target.write(ctx, objects); err != nil {
		return err
	}
	m.progress("  comparing them")
	copied, err := target.read(ctx)
	if err != nil {
		return err
	}
	if copied.digest() != objects.digest() {
		return fmt.Errorf("the copy is not what was copied: somebody else writes below the keys of %s", m.to.form.Name())
	}
	m.state.Raised = raised
	m.check("%d objects are copied byte for byte, SHA-256 %.12s", len(objects.values), objects.digest())
	m.check("their resourceVersions go on from %d, where %s is at %d", copied.changed, m.from.form.Name(), objects.revision)
	return m.installer.WriteSwitch(ctx, m.state)
}

// startStorage has the storage of a side there without its server: whose cache has to begin after the copy, or whose watches have
// to end. A CustomResourceDefinition is stored where it always was, and its cache begins when it serves.
func (m *move) startStorage(ctx context.Context, of side) error {
	if len(of.registrations()) == 0 {
		return nil
	}
	if err := m.stopServer(ctx, of); err != nil {
		return err
	}
	return m.installer.Prepare(ctx, storageOf(of))
}

// storageOf is the plan of a side that has a server, without that.
func storageOf(of side) *install.Plan {
	storage := *of.plan
	storage.Processes = storage.Processes[:len(storage.Processes)-1]
	return &storage
}

// lookAtRevisions: one storage may be too far behind the other. One that has never run has no revisions; one that is stopped is
// looked at in the fence, which starts it.
func (m *move) lookAtRevisions(ctx context.Context) ([]string, error) {
	if m.strategy() != Dedicated || m.state.Restores {
		return nil, nil
	}
	from, err := revisionAt(ctx, m.from.plan.Etcd)
	if err != nil {
		return nil, err
	}
	var to int64
	if len(m.to.registrations()) == 0 || m.installer.Running(ctx, storageOf(m.to)) == nil {
		if to, err = revisionAt(ctx, m.to.plan.Etcd); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(storageOf(m.to).Processes[0].Flag("data-dir")); !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if reason := m.apart(from, to); reason != "" {
		return []string{reason}, nil
	}
	m.check("the storages are %d revisions apart, which can be made up for", max(0, from-to))
	return nil, nil
}

// apart says why a storage at one revision cannot go on from another one's, or nothing if it can.
func (m *move) apart(from, to int64) string {
	if from-to <= farthest {
		return ""
	}
	return fmt.Sprintf("resourceVersions would go back: the storage of %s is at revision %d and that of %s at %d, which is too far "+
		"apart to make up for. Restore a snapshot of the latter with `etcdutl snapshot restore --bump-revision %d --mark-compacted`, "+
		"or choose strategy %s", m.from.form.Name(), from, m.to.form.Name(), to, from-to, Shared)
}

// raiseEarly makes up for most of the revisions while writes are still let in.
func (m *move) raiseEarly(ctx context.Context) error {
	if m.state.Restores {
		return nil // Its server may be who answers still.
	}
	if err := m.startStorage(ctx, m.to); err != nil {
		return err
	}
	source, target, err := m.stores(ctx)
	if err != nil {
		return err
	}
	defer source.close()
	defer target.close()
	from, err := source.revision(ctx)
	if err != nil {
		return err
	}
	now, err := target.revision(ctx)
	if err != nil {
		return err
	}
	if reason := m.apart(from, now); reason != "" {
		return refuse("%s", reason)
	}
	return target.raise(ctx, from+2*headroom, m.installer.Progress)
}

// newer makes sure, right before the flip, that the old storage has not come to where the new one began.
func (m *move) newer(ctx context.Context) error {
	if m.leavesIdle() {
		return nil
	}
	for range rounds {
		now, err := revisionAt(ctx, m.from.plan.Etcd)
		if err != nil {
			return err
		}
		if now < m.state.Raised {
			m.check("no resourceVersion goes back: %s is at %d, and %s began after %d", m.from.form.Name(), now, m.to.form.Name(),
				m.state.Raised)
			return nil
		}
		m.progress("  %s has come to where the copy begins: copying once more", m.from.form.Name())
		if err := m.bring(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s goes on faster than it can be copied: try again when less is written", m.from.form.Name())
}

// leavesIdle says whether the storage that a rollback leaves has nothing but a copy that nobody may write to, so that it stands
// still. It need not even answer.
func (m *move) leavesIdle() bool {
	return m.state.Restores && m.from.form.Storage(m.from.profile) == install.DedicatedEtcd
}

// outpaced sees to it that the old storage has not come past the new one while versions were flipped one by one, and does not with
// the last that its watches tell. Who has a resourceVersion from there that was still to come here misses nothing: nothing has
// been written here since.
func (m *move) outpaced(ctx context.Context) error {
	if m.leavesIdle() {
		return nil
	}
	source, target, err := m.stores(ctx)
	if err != nil {
		return err
	}
	defer source.close()
	defer target.close()
	before, err := source.revision(ctx)
	if err != nil {
		return err
	}
	after, err := target.revision(ctx)
	if err != nil || before+headroom/2 < after {
		return err
	}
	m.progress("  %s has come past %s: making up for it", m.from.form.Name(), m.to.form.Name())
	return target.raise(ctx, before+headroom, m.installer.Progress)
}

// caughtUp copies once more if a write got past the fence. It is the last before writes are let in: nobody has been let write to
// the copy yet, and nothing is under way any more: a server that is left has been stopped, and kube-apiserver is waited for.
func (m *move) caughtUp(ctx context.Context) error {
	if m.state.Restores {
		return nil // It has got to where it belongs.
	}
	if len(m.from.registrations()) == 0 {
		if err := m.drained(ctx); err != nil {
			return err
		}
	}
	source, target, err := m.stores(ctx)
	if err != nil {
		return err
	}
	defer source.close()
	defer target.close()
	before, err := source.read(ctx)
	if err != nil {
		return err
	}
	after, err := target.read(ctx)
	if err != nil {
		return err
	}
	if before.digest() == after.digest() {
		m.check("no write got past the fence")
		return nil
	}
	if err := target.write(ctx, before); err != nil {
		return err
	}
	m.check("a write that got past the fence is copied too")
	return nil
}
