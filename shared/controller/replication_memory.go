package controller

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "github.com/duet-api/duet/shared/api/mysql/v1"
)

// memories are what this process remembers about servers from one pass to the next. Nothing depends on it: without it,
// a step may be done once more.
type memories struct {
	mutex     sync.Mutex
	instances map[types.NamespacedName]map[types.UID]*memory
}

// memory of one pod's server. Only one pass over an instance is under way at a time, and so only the copying, which
// goes on between passes, needs a lock.
type memory struct {
	// resumed is how often the replica was started again since it last went well.
	resumed int
	// shown is what the server made of settings.
	shown map[string]shown

	mutex   sync.Mutex
	copying string
	// copyFailed and failedAt are about the last copy, if it failed.
	copyFailed error
	failedAt   time.Time
}

// copyRetry is the pause after a copy that failed.
const copyRetry = time.Minute

// keep forgets the pods that are not there any more.
func (m *memories) keep(instance types.NamespacedName, servers map[int]*server) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	kept := map[types.UID]*memory{}
	for _, s := range servers {
		known := m.instances[instance][s.pod.UID]
		if known == nil {
			known = &memory{shown: map[string]shown{}}
		}
		kept[s.pod.UID] = known
	}
	if m.instances == nil {
		m.instances = map[types.NamespacedName]map[types.UID]*memory{}
	}
	m.instances[instance] = kept
	if len(kept) == 0 {
		delete(m.instances, instance)
	}
}

// of a server that was kept.
func (m *memories) of(instance *v1.MySQLInstance, s *server) *memory {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.instances[client.ObjectKeyFromObject(instance)][s.pod.UID]
}

// cloning says what is under way; empty if nothing is.
func (m *memory) cloning() string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.copying
}

// mayClone says whether the time has come to copy, and if not, why the last copy failed.
func (m *memory) mayClone(now time.Time) (bool, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.copyFailed == nil || now.Sub(m.failedAt) >= copyRetry, m.copyFailed
}

func (m *memory) startCloning(now time.Time, do func() error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.copyFailed, m.failedAt = nil, now
	m.copying = fmt.Sprintf("gets a copy of the primary's data since %s", now.UTC().Format(time.RFC3339))
	go func() {
		err := do()
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.copying, m.copyFailed = "", err
	}()
}
