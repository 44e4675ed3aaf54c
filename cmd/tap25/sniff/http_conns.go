package sniff

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The limits of open connections. A monitoring system uses one or two, a browser six.
const (
	mostConns        = 64
	mostConnsAddress = 16 // from one address, or from one /64 of IPv6
)

// answerGrace is how long a request that is being answered protects its connection from eviction.
const answerGrace = time.Second

// boundedListener bounds the number of open connections. It always accepts a new one; beyond the limit, it closes the
// oldest of the address that has the most. So a client that holds connections open, idle or not, keeps no other client
// out.
type boundedListener struct {
	net.Listener
	evicted atomic.Int64

	mu    sync.Mutex
	conns map[*boundedConn]bool
	froms map[netip.Prefix]int
}

// boundedConn is a connection of a boundedListener.
type boundedConn struct {
	net.Conn
	of   *boundedListener
	from netip.Prefix
	used time.Time // accepted, or the last request was read; under of.mu
}

func newBoundedListener(l net.Listener) *boundedListener {
	return &boundedListener{Listener: l, conns: map[*boundedConn]bool{}, froms: map[netip.Prefix]int{}}
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &boundedConn{Conn: accepted, of: l, from: source(accepted.RemoteAddr()), used: time.Now()}
	l.mu.Lock()
	oldest := l.tooMany(c.from)
	l.conns[c] = true
	l.froms[c.from]++
	l.mu.Unlock()
	if oldest != nil {
		l.evicted.Add(1)
		_ = oldest.Close()
	}
	return c, nil
}

// tooMany returns the connection to close before another from an address is accepted, or nil. The caller holds mu.
func (l *boundedListener) tooMany(from netip.Prefix) (oldest *boundedConn) {
	if l.froms[from] < mostConnsAddress {
		if len(l.conns) < mostConns {
			return nil
		}
		for f, n := range l.froms {
			if n > l.froms[from] {
				from = f
			}
		}
	}
	for c := range l.conns {
		if c.from == from && (oldest == nil || c.used.Before(oldest.used)) {
			oldest = c
		}
	}
	return oldest
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.of.mu.Lock()
	if c.of.conns[c] {
		delete(c.of.conns, c)
		if c.of.froms[c.from]--; c.of.froms[c.from] == 0 {
			delete(c.of.froms, c.from)
		}
	}
	c.of.mu.Unlock()
	return c.Conn.Close()
}

type connKey struct{}

// noteConn is for http.Server.ConnContext.
func noteConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// answering records that a request is being answered now.
func answering(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*boundedConn); ok {
		c.of.mu.Lock()
		c.used = time.Now().Add(answerGrace)
		c.of.mu.Unlock()
	}
}

// source returns what counts as one address.
func source(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits)
	return prefix
}
