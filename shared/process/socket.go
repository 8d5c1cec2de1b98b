package process

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// maxSocketPath is what the smallest of the supported systems allows for the path of a unix socket, with its final zero.
const maxSocketPath = 103

// SocketPath is where the supervisor of dir listens: in dir, or in a short directory of this user under the system's
// temporary directory when the path would be too long for a socket.
func SocketPath(dir string) string {
	path := filepath.Join(dir, "duet.sock")
	if len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), fmt.Sprintf("duet-%d-%x", os.Getuid(), sum[:6]), "duet.sock")
}

// Listen opens the socket for a Server, replacing one that a dead supervisor left. Only the owner of this process can
// connect. The caller must hold the directory's Supervisor, which keeps a second one away, until it has closed the listener.
func Listen(socket string) (net.Listener, error) {
	dir := filepath.Dir(socket)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("could not create the socket's directory: %w", err)
	}
	// In a shared temporary directory somebody else may have made it first.
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("could not look at the socket's directory: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(owner.Uid) != os.Getuid() {
		return nil, fmt.Errorf("could not use %s for the supervisor's socket: it belongs to another user", dir)
	}
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("could not remove the old socket: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("could not listen on the supervisor's socket: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("could not protect the supervisor's socket: %w", err)
	}
	return &socketListener{Listener: listener, dir: dir}, nil
}

// socketListener takes the directory away that was made for its socket alone.
type socketListener struct {
	net.Listener
	dir string
}

// Close closes the socket, which removes it. A directory that has anything else in it, as that of a control plane has,
// stays.
func (l *socketListener) Close() error {
	err := l.Listener.Close()
	_ = os.Remove(l.dir)
	return err
}
