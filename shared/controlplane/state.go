package controlplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
)

// State is what a control plane remembers in its directory from one run to the next. Losing it loses no data: the ports
// are chosen anew.
type State struct {
	Name              string `json:"name"`
	KubernetesVersion string `json:"kubernetesVersion"`
	EtcdVersion       string `json:"etcdVersion"`
	// Ports on the loopback address, by component. They are used again as long as they are free, so that clients find
	// the control plane where it was.
	Ports map[string]int `json:"ports"`
	// Nodes is the number of fake nodes. 0 means that there is neither a node nor a scheduler.
	Nodes int `json:"nodes,omitempty"`
	// APIServers is the number of kube-apiservers. 0 means one.
	APIServers int `json:"apiServers,omitempty"`
	// Socket of the supervising program; empty when the control plane runs inside a program without one.
	Socket     string      `json:"socket,omitempty"`
	Supervisor *Supervisor `json:"supervisor,omitempty"`
}

// Supervisor is the program that owns the processes.
type Supervisor struct {
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"startedAt"`
}

// Components that a control plane with this state consists of, in the order in which they start.
func (s State) Components() []string {
	components := slices.Concat([]string{Etcd}, s.apiServers(), []string{ControllerManager})
	if s.Nodes > 0 {
		components = append(components, Scheduler, Kwok)
	}
	return components
}

// stateName also marks a directory as one of Duet's.
const stateName = "state.json"

// errStaleState is returned for a state file that a crash or a person has damaged.
var errStaleState = errors.New("the state file is damaged")

// LoadState reads the state of the control plane in dir. The error is os.ErrNotExist when there was never one.
func LoadState(dir string) (State, error) {
	data, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		return State{}, fmt.Errorf("could not read the control plane's state: %w", err)
	}
	var state State
	if err := json.Unmarshal(data, &state); err != nil {
		return State{}, fmt.Errorf("%w: %w", errStaleState, err)
	}
	return state, nil
}

func (s State) save(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("could not encode the control plane's state: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, stateName), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("could not write the control plane's state: %w", err)
	}
	return nil
}

// PrepareDir makes dir ready for a control plane: private, because it holds keys, and empty or one of Duet's, because
// deleting the data deletes all of it.
func PrepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("could not create the control plane's directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("could not read the control plane's directory: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, stateName)); err == nil {
		return nil
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is neither empty nor a directory of a control plane: choose another", dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("could not make the control plane's directory private: %w", err)
	}
	return State{}.save(dir)
}
