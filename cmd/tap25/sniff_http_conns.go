package main

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of the connections that are kept. A monitoring system takes one or two, a browser six.
const (
	mostConns        = 64
	mostConnsAddress = 16 // from one address, which of IPv6 is a /64
)

// answerGrace is how long a request that is being answered keeps its connection from being the first to go.
const answerGrace = time.Second

// boundedListener bounds the connections that are open. A new one is always taken: beyond the bounds the oldest is closed, of the
// address that has the most. So whoever holds connections open, idle or not, keeps nobody else out.
type boundedListener struct {
	net.Listener
	evicted atomic.Int64

	mu    sync.Mutex
	conns map[*boundedConn]bool
	froms map[netip.Prefix]int
}

// boundedConn is one of them.
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

// tooMany is the connection that has to go before another from an address is taken, if one has to; under mu.
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

// answering notes that a request is being answered now.
func answering(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*boundedConn); ok {
		c.of.mu.Lock()
		c.used = time.Now().Add(answerGrace)
		c.of.mu.Unlock()
	}
}

// source is what counts as one address.
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
