package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// front stands before each of the servers, and can kill one between a COMMIT and its answer.
type front struct {
	ports []int
	armed atomic.Pointer[patroniNode]
	t     *testing.T
}

func newFront(t *testing.T, p *patroni) *front {
	t.Helper()
	f := &front{t: t}
	for _, n := range p.node {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		f.ports = append(f.ports, l.Addr().(*net.TCPAddr).Port)
		go func() {
			for {
				client, err := l.Accept()
				if err != nil {
					return
				}
				go f.serve(client, n)
			}
		}()
	}
	return f
}

func (f *front) dsn() string {
	var hosts []string
	for _, port := range f.ports {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return "postgres://postgres@" + strings.Join(hosts, ",") + "/postgres?sslmode=disable"
}

// strike kills a server behind the next COMMIT that it answers, or after a while without one.
func (f *front) strike(n *patroniNode) {
	f.armed.Store(n)
	for end := time.Now().Add(20 * time.Second); f.armed.Load() != nil && time.Now().Before(end); {
		<-time.After(10 * time.Millisecond)
	}
	if f.armed.CompareAndSwap(n, nil) {
		f.t.Log("no COMMIT was answered")
		n.kill()
	}
	<-n.done
}

func (f *front) serve(client net.Conn, n *patroniNode) {
	defer client.Close()
	server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", n.port))
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		io.Copy(server, client)
	}()
	buf := make([]byte, 1<<16)
	for {
		k, err := server.Read(buf)
		if bytes.Contains(buf[:k], []byte("COMMIT\x00")) && f.armed.CompareAndSwap(n, nil) {
			n.kill()
			return // its answer is lost
		}
		if _, writeErr := client.Write(buf[:k]); err != nil || writeErr != nil {
			return
		}
	}
}
