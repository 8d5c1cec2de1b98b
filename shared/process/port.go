package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	// Below the range that systems take for outgoing connections, so that none of those gets a port between the moment
	// it was found free and the moment a server binds it.
	firstPort = 20000
	lastPort  = 29999
)

// FreePort finds a TCP port that nothing listens on, on the loopback address. Another program can still take it before
// the caller's server binds it, which is rare but must be handled.
func FreePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if PortFree(port) {
			return port, nil
		}
	}
	return 0, errors.New("could not find a free port between 20000 and 29999 on 127.0.0.1")
}

// PortFree says whether nothing listens on the TCP port of the loopback address.
func PortFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
