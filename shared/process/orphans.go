package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"github.com/shirou/gopsutil/v4/process"
	"k8s.io/apimachinery/pkg/util/wait"
)

// record of a started process: enough to recognise it later, and not to mistake another with the same number for it.
type record struct {
	PID int `json:"pid"`
	// CreatedMillis is the kernel's start time of the process, in milliseconds since 1970.
	CreatedMillis int64 `json:"createdMillis"`
}

// createdTolerance covers the clock ticks that some systems count start times in.
const createdTolerance = 1000

func recordFile(dir string) string { return filepath.Join(dir, "processes.json") }

// record writes down the living children, for endOrphans of a later supervisor. It needs s.mu.
func (s *Supervisor) record() error {
	records := []record{}
	for _, c := range s.children {
		if c.state == Exited {
			continue
		}
		// A process that ended right away needs no record.
		if p, err := process.NewProcess(int32(c.pid)); err == nil {
			if created, err := p.CreateTime(); err == nil {
				records = append(records, record{PID: c.pid, CreatedMillis: created})
			}
		}
	}
	data, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("could not encode the process records: %w", err)
	}
	if err := renameio.WriteFile(recordFile(s.dir), data, 0o600); err != nil {
		return fmt.Errorf("could not write the process records: %w", err)
	}
	return nil
}

// endOrphans kills what a supervisor that died without stopping its children left behind: on Linux nothing, but other
// systems have no parent-death signal.
func endOrphans(dir string) error {
	data, err := os.ReadFile(recordFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("could not read the process records: %w", err)
	}
	for _, r := range parseRecords(data) {
		if !r.alive() {
			continue
		}
		_ = syscall.Kill(-r.PID, sigKill)
		gone := func(context.Context) (bool, error) { return !r.alive(), nil }
		if err := wait.PollUntilContextTimeout(context.Background(), 20*time.Millisecond, 10*time.Second, true, gone); err != nil {
			return fmt.Errorf("could not end process %d, which an earlier duet left behind: end it by hand", r.PID)
		}
	}
	return nil
}

// parseRecords of a damaged file finds none: nothing is known then, and nothing may be killed.
func parseRecords(data []byte) []record {
	var records []record
	if err := json.Unmarshal(data, &records); err != nil {
		records = nil
	}
	return records
}

func (r record) alive() bool {
	if !Alive(r.PID) {
		return false
	}
	p, err := process.NewProcess(int32(r.PID))
	if err != nil {
		return false
	}
	created, err := p.CreateTime()
	return err == nil && created >= r.CreatedMillis-createdTolerance && created <= r.CreatedMillis+createdTolerance
}

// Alive says whether a process with that number runs on this machine. One that has ended, and only waits for its parent
// to notice, does not.
func Alive(pid int) bool {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return false
	}
	status, err := p.Status()
	return err == nil && !slices.Contains(status, process.Zombie)
}
