package process

import "runtime"

// spawner starts every child from one operating system thread that lives as long as the supervisor. Linux sends a
// child its parent-death signal when the thread that made it ends, not when the whole program ends, and Go ends idle
// threads as it likes.
type spawner struct {
	work chan func()
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func())}
	go func() {
		// Never unlocked: the thread ends with this goroutine.
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *spawner) do(f func() error) error {
	result := make(chan error)
	s.work <- func() { result <- f() }
	return <-result
}

func (s *spawner) stop() { close(s.work) }
