package assets

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// reported is how many of the compiler's last lines an error carries.
const reported = 5

// compilerOutput counts and keeps what go build -v says: a line per compiled package, a line per downloaded module,
// and whatever went wrong.
type compilerOutput struct {
	mu         sync.Mutex
	partial    []byte
	compiled   int
	downloaded int
	last       []string
}

// Write implements io.Writer.
func (o *compilerOutput) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.partial = append(o.partial, data...)
	for {
		line, rest, whole := bytes.Cut(o.partial, []byte("\n"))
		if !whole {
			return len(data), nil
		}
		o.partial = rest
		o.add(string(line))
	}
}

func (o *compilerOutput) add(line string) {
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		o.downloaded++
	case line != "" && !strings.ContainsAny(line, " :#\t"):
		o.compiled++
	default:
		o.last = append(o.last, strings.TrimSpace(line))
		o.last = o.last[max(0, len(o.last)-reported):]
	}
}

func (o *compilerOutput) progress() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprintf("%d modules downloaded, %d packages compiled", o.downloaded, o.compiled)
}

func (o *compilerOutput) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.last
	if len(o.partial) > 0 {
		lines = append(lines, string(o.partial))
	}
	return strings.Join(lines, "; ")
}
