package store

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// fault is how a connection through a proxy ends.
type fault int

const (
	answerLost fault = iota // of COMMIT, which the server has done
	commitLost              // COMMIT never arrives
	copyCut                 // within COPY's data
	faults
)

// proxy stands before a server's unix socket and cuts connections, as long as cuts are left.
type proxy struct {
	dir    string
	server string

	mu   sync.Mutex
	left [faults]int
	done [faults]int
}

// newProxy makes a proxy for the shared cluster that cuts each way so many times.
func newProxy(t testing.TB, each int) *proxy {
	c, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{dir: t.TempDir(), server: filepath.Join(c.socketDir(), ".s.PGSQL.5432")}
	for f := range p.left {
		p.left[f] = each
	}
	l, err := net.Listen("unix", filepath.Join(p.dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// take uses up one cut of a kind that is left; ok is false when none is.
func (p *proxy) take() (f fault, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := rand.N(faults)
	for i := range faults {
		f = (first + i) % faults
		if p.left[f] > 0 {
			p.left[f]--
			return f, true
		}
	}
	return 0, false
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	f, cuts := p.take()
	var mu sync.Mutex
	silent := false // nothing of the server's is passed on any more
	go func() {
		defer client.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := server.Read(buf)
			mu.Lock()
			s := silent
			mu.Unlock()
			if s && bytes.Contains(buf[:n], []byte("COMMIT\x00")) {
				return
			}
			if !s {
				client.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 1<<16)
	copied, limit := 0, rand.N(50_000)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		commit := bytes.Contains(buf[:n], []byte("Q\x00\x00\x00\x0bcommit\x00"))
		copied += n
		switch {
		case cuts && f == commitLost && commit, cuts && f == copyCut && copied > limit && n > 10_000:
			p.count(f)
			return
		case cuts && f == answerLost && commit:
			mu.Lock()
			silent = true
			mu.Unlock()
			p.count(f)
			server.Write(buf[:n])
			io.Copy(io.Discard, client) // until the answer ends it
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) count(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[f]++
}
