package daemon

import (
	"net"
	"sync"
)

// A boundedListener keeps at most most connections open. One more closes the
// oldest: whoever holds connections idle takes nothing away from the next client,
// and no descriptor from the journal.
type boundedListener struct {
	net.Listener
	most int

	mu   sync.Mutex
	open []*boundedConn // oldest first
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	b := &boundedConn{Conn: c, from: l}
	l.mu.Lock()
	l.open = append(l.open, b)
	var oldest *boundedConn
	if len(l.open) > l.most {
		oldest = l.open[0]
	}
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close() // its client is told by the end of the connection
	}
	return b, nil
}

// forget takes a connection out of the list.
func (l *boundedListener) forget(c *boundedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.open {
		if other == c {
			l.open = append(l.open[:i], l.open[i+1:]...)
			return
		}
	}
}

type boundedConn struct {
	net.Conn
	from *boundedListener
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.from.forget(c)
	return c.Conn.Close()
}
