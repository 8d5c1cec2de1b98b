package measure

import (
	"context"
	"net"
	"sync/atomic"
)

// Wire counts what passes through connections, below TLS: what a network would have to carry.
type Wire struct{ sent, received, opened atomic.Int64 }

// Traffic is what has passed so far, or in between two readings.
type Traffic struct {
	// Sent and Received are bytes, seen from this program.
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	// Opened counts connections: with HTTP/2 one is enough for a client, and more are a sign that it was full.
	Opened int64 `json:"opened"`
}

// Read what has passed so far.
func (w *Wire) Read() Traffic {
	return Traffic{Sent: w.sent.Load(), Received: w.received.Load(), Opened: w.opened.Load()}
}

// Since subtracts an earlier reading.
func (t Traffic) Since(before Traffic) Traffic {
	return Traffic{t.Sent - before.Sent, t.Received - before.Received, t.Opened - before.Opened}
}

// DialFunc opens a connection.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Count what passes through the connections that a function opens.
func (w *Wire) Count(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		w.opened.Add(1)
		return &counted{connection, w}, nil
	}
}

// counted is a connection.
type counted struct {
	net.Conn
	wire *Wire
}

// Read implements net.Conn.
func (c *counted) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	c.wire.received.Add(int64(n))
	return n, err
}

// Write implements net.Conn.
func (c *counted) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	c.wire.sent.Add(int64(n))
	return n, err
}
