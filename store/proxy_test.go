package store

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"tap25/store/cluster"
	"tap25/store/storetest"
)

// place is where in a load a connection through a proxy is struck.
type place int

const (
	inCopy       place = iota // within COPY's data
	beforeCommit              // COPY is done, COMMIT never arrives
	behindCommit              // COMMIT is done, its answer is lost
	places
)

// proxy stands before a cluster's socket and strikes connections, as long as strikes are left: something is done to the
// connection's backend, if anything, and nothing passes in either direction any more.
type proxy struct {
	dir    string
	server string
	strike func(backend int)

	striking sync.Mutex // one strike is over, and its server there again, before the next
	mu       sync.Mutex
	left     [places]int
	done     [places]int
}

// newProxy makes a proxy that strikes at each place so many times.
func newProxy(t testing.TB, c *cluster.Cluster, each int, strike func(backend int)) *proxy {
	socket, _ := storetest.Address(t, c)
	p := &proxy{dir: t.TempDir(), server: filepath.Join(socket, ".s.PGSQL.5432"), strike: strike}
	for at := range p.left {
		p.left[at] = each
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

// take uses up one strike at a place where some are left; ok is false when none is.
func (p *proxy) take() (at place, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := rand.N(places)
	for i := range places {
		at = (first + i) % places
		if p.left[at] > 0 {
			p.left[at]--
			return at, true
		}
	}
	return 0, false
}

// spent says whether every strike was made.
func (p *proxy) spent(each int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done == [places]int{each, each, each}
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	at, strikes := p.take()
	struck := false
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if strikes && struck {
			p.done[at]++
		} else if strikes { // the connection ended before it came to that
			p.left[at]++
		}
	}()
	server, err := net.Dial("unix", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	backend := make(chan int, 1)
	committed := make(chan bool)
	go answer(client, server, backend, committed, strikes && at == behindCommit)
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
		case !strikes:
		case at == beforeCommit && commit, at == inCopy && copied > limit && n > 10_000:
			if at == inCopy {
				server.Write(buf[:n/2])
			}
			struck = true
		case at == behindCommit && commit:
			server.Write(buf[:n])
			struck = <-committed
		}
		if struck {
			if p.strike != nil {
				p.striking.Lock()
				defer p.striking.Unlock()
				p.strike(<-backend)
			}
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// answer passes on what a server says, but for its answer to COMMIT where that is to be lost; and tells the process ID
// that the server says first (PostgreSQL documentation, "Message Formats", BackendKeyData).
func answer(client, server net.Conn, backend chan<- int, committed chan<- bool, loses bool) {
	defer client.Close()
	defer close(committed)
	buf := make([]byte, 1<<16)
	for told := false; ; {
		n, err := server.Read(buf)
		if key := bytes.Index(buf[:n], []byte("K\x00\x00\x00\x0c")); !told && key >= 0 {
			backend <- int(binary.BigEndian.Uint32(buf[key+5:]))
			told = true
		}
		if loses && bytes.Contains(buf[:n], []byte("COMMIT\x00")) {
			committed <- true
			io.Copy(io.Discard, server)
			return
		}
		client.Write(buf[:n])
		if err != nil {
			return
		}
	}
}
