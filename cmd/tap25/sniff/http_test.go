package sniff

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// served is a web that serves until the test ends; change may shorten the server's times.
func served(t *testing.T, address string, change func(*http.Server), names ...string) *web {
	t.Helper()
	w, err := listenHTTP(address, names)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(out http.ResponseWriter, _ *http.Request) { fmt.Fprintln(out, "ok") })
	mux.HandleFunc("GET /large", func(out http.ResponseWriter, _ *http.Request) { out.Write(make([]byte, 4<<20)) })
	server := w.server(mux, log.New(io.Discard, "", 0))
	if change != nil {
		change(server)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.serve(ctx, server) }()
	t.Cleanup(func() {
		if cancel(); <-ended != nil {
			t.Error("it did not end in order")
		}
	})
	return w
}

// dial connects from an address of this host.
func (w *web) dial(t *testing.T, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", w.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// request asks on a connection, and gives the status, the headers and the body of the answer.
func request(t *testing.T, c net.Conn, text string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

const scrape = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"

func (w *web) open() (n, from int) {
	w.listener.mu.Lock()
	defer w.listener.mu.Unlock()
	for _, m := range w.listener.froms {
		from = max(from, m)
	}
	return len(w.listener.conns), from
}

// gone counts the connections that the server has closed.
func gone(conns []net.Conn) (n int) {
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		if e, ok := err.(net.Error); err != nil && !(ok && e.Timeout()) {
			n++
		}
	}
	return n
}

// 3,000 that were answered and stay, from one address and from many: few are kept, and whoever comes next is answered.
func TestWeb_IdleConnectionsAreNotKept(t *testing.T) {
	for name, addresses := range map[string]int{"one address": 1, "many addresses": 200} {
		t.Run(name, func(t *testing.T) {
			w := served(t, "127.0.0.1:0", nil)
			goroutines := runtime.NumGoroutine()
			var conns []net.Conn
			for i := range 3000 {
				c := w.dial(t, fmt.Sprintf("127.0.0.%d", 2+i%addresses))
				if r, body := request(t, c, scrape); r.StatusCode != 200 || body != "ok\n" {
					t.Fatalf("connection %d: %s", i, r.Status)
				}
				conns = append(conns, c)
			}
			if n, from := w.open(); n > mostConns || from > mostConnsAddress || n == 0 {
				t.Errorf("%d connections are kept, %d of one address", n, from)
			}
			kept, _ := w.open()
			await(t, "the others to be closed", func() bool { return len(conns)-gone(conns) <= kept })
			if n := runtime.NumGoroutine() - goroutines; n > 3*mostConns {
				t.Errorf("%d goroutines more", n)
			}
			if n := w.listener.evicted.Load(); n != int64(len(conns)-kept) {
				t.Errorf("%d are counted as evicted, %d were", n, len(conns)-kept)
			}
		})
	}
}

// Connections that send no request, half of one, or read no answer, more than are kept: another, also of the same
// address, is answered all the same.
func TestWeb_NobodyIsKeptOut(t *testing.T) {
	for name, text := range map[string]string{
		"no request": "", "half a header": "GET /metrics HTTP/1.1\r\nHost: local",
		"half a body":                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
		"an answer that is not read": "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := served(t, "127.0.0.1:0", func(s *http.Server) { // it is not for their time that they go
				s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout = time.Hour, time.Hour, time.Hour
			})
			for i := range mostConns + 16 {
				c := w.dial(t, fmt.Sprintf("127.0.0.%d", 1+i%8))
				if _, err := io.WriteString(c, text); err != nil {
					t.Fatal(err)
				}
			}
			for _, from := range []string{"127.0.0.1", "127.0.0.8", "127.0.0.99"} {
				if r, _ := request(t, w.dial(t, from), scrape); r.StatusCode != 200 {
					t.Errorf("from %s: %s", from, r.Status)
				}
			}
			if n, from := w.open(); n > mostConns || from > mostConnsAddress {
				t.Errorf("%d connections are kept, %d of one address", n, from)
			}
		})
	}
}

// A request that is being answered is not the one that makes room.
func TestWeb_ARequestThatIsAnsweredKeepsItsConnection(t *testing.T) {
	l := newBoundedListener(nil)
	from := source(&net.TCPAddr{IP: net.ParseIP("192.0.2.1")})
	var conns []*boundedConn
	for range mostConnsAddress {
		c := &boundedConn{of: l, from: from, used: time.Now()}
		l.conns[c] = true
		l.froms[from]++
		conns = append(conns, c)
	}
	answering(noteConn(t.Context(), conns[0]))
	if oldest := l.tooMany(from); oldest != conns[1] {
		t.Error("another than the oldest that waits has to go")
	}
	if oldest := l.tooMany(source(&net.TCPAddr{IP: net.ParseIP("192.0.2.2")})); oldest != nil {
		t.Error("one has to go for another address, while there is room")
	}
	a, b := source(&net.TCPAddr{IP: net.ParseIP("2001:db8::1")}),
		source(&net.TCPAddr{IP: net.ParseIP("2001:db8::ffff:1")})
	if a != b || a == from || source(&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1")}) != from {
		t.Error("a /64 of IPv6 is not one address, or mapped IPv4 another")
	}
}

func TestWeb_SlowAndIdleConnectionsEnd(t *testing.T) {
	w := served(t, "127.0.0.1:0", func(s *http.Server) {
		for name, d := range map[string]*time.Duration{"header": &s.ReadHeaderTimeout, "read": &s.ReadTimeout,
			"write": &s.WriteTimeout, "idle": &s.IdleTimeout} {
			if *d <= 0 || *d > time.Minute {
				t.Errorf("%s timeout of %v", name, *d)
			}
			*d = 300 * time.Millisecond
		}
		if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 64<<10 {
			t.Errorf("headers of %d octets", s.MaxHeaderBytes)
		}
	})
	for name, text := range map[string]string{"no request": "", "half a request line": "GET /met",
		"half a header": "GET /metrics HTTP/1.1\r\nHost: local",
		"half a body":   "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx", "idle": scrape,
		"answer not read": "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
		c := w.dial(t, "127.0.0.1")
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		await(t, name+" to be ended", func() bool { n, _ := w.open(); return n == 0 })
	}
}

func TestWeb_HostMustBeOneOfItsNames(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	four := served(t, "127.0.0.1:0", nil, "Tap.Example.", "192.0.2.7", "2001:db8::7")
	six := served(t, "[::1]:0", nil)
	all := served(t, "0.0.0.0:0", nil)
	for _, c := range []struct {
		w      *web
		host   string
		status int
	}{
		{four, "localhost", 200}, {four, "LocalHost", 200}, {four, "localhost.", 200}, {four, "localhost:9425", 200},
		{four, "localhost:", 200}, {four, "LOCALHOST.:1", 200},
		{four, "127.0.0.1", 200}, {four, "127.0.0.1:80", 200}, {four, "[::ffff:127.0.0.1]", 200}, {four, host, 200},
		{four, strings.ToUpper(host) + ".:9425", 200},
		{four, "tap.example", 200}, {four, "TAP.example.:9425", 200}, {four, "192.0.2.7:1", 200},
		{four, "[2001:db8::7]:1", 200}, {four, "[2001:DB8:0::7]", 200},
		{four, "rebound.example", 421}, {four, "rebound.example:9425", 421}, {four, "localhost.rebound.example", 421},
		{four, "xtap.example", 421}, {four, "tap.example.net", 421},
		{four, "localhost..", 421}, {four, "127.0.0.2", 421}, {four, "[::1]", 421}, {four, "[::1", 421},
		{four, "[127.0.0.1]", 421}, {four, "localhost:x", 421}, {four, "localhost:99999", 421},
		{four, "localhost:80:80", 421}, {four, "a@localhost", 400}, {four, "localhost%00", 421}, {four, ":9425", 421},
		{four, "", 421}, {four, "127.1", 421}, {four, "2130706433", 421},
		{six, "[::1]:9425", 200}, {six, "[0:0::1]", 200}, {six, "[::1%25lo]:9425", 200}, {six, "localhost", 200},
		{six, "127.0.0.1", 421}, {six, "rebound.example", 421},
		{all, "127.0.0.1:9425", 200}, {all, "0.0.0.0", 200}, {all, "192.0.2.1", 421}, {all, "rebound.example", 421},
	} {
		d := c.w.listener.Addr().String()
		if c.w == all {
			d = fmt.Sprint("127.0.0.1:", all.listener.Addr().(*net.TCPAddr).Port)
		}
		conn, err := net.Dial("tcp", d)
		if err != nil {
			t.Fatal(err)
		}
		r, body := request(t, conn, "GET /metrics HTTP/1.1\r\nHost: "+c.host+"\r\nConnection: close\r\n\r\n")
		if r.StatusCode != c.status || c.status == 421 &&
			(strings.Count(body, "\n") != 1 || !strings.Contains(body, "--metrics-host") ||
				c.host != "" && strings.Contains(body, c.host)) {
			t.Errorf("at %s, Host %q: %s %q, want %d", d, c.host, r.Status, body, c.status)
		}
		conn.Close()
	}
}

func TestWeb_RequestsThatAreNoneOfItsAreRefused(t *testing.T) {
	w := served(t, "127.0.0.1:0", nil)
	for text, status := range map[string]int{
		"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                 200,
		"GET http://localhost/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n":                                  200,
		"GET http://rebound.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n":                            421,
		"GET /metrics HTTP/1.0\r\n\r\n":                                                                     200,
		"GET /metrics HTTP/1.0\r\nHost: rebound.example\r\n\r\n":                                            421,
		"GET /metrics HTTP/1.1\r\n\r\n":                                                                     400,
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\n\r\n":                         400,
		"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n":                            405,
		"PUT /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345":                        405,
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                     405,
		"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                       405,
		"CONNECT localhost:25 HTTP/1.1\r\nHost: localhost:25\r\n\r\n":                                       405,
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n": 413,
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nxyz":                          413,
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 64<<10) +
			"\r\n\r\n": 431,
		"GET /debug/pprof/ HTTP/1.1\r\nHost: localhost\r\n\r\n": 404,
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: " +
			"h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n": 200,
	} {
		c := w.dial(t, "127.0.0.1")
		method, _, _ := strings.Cut(text, " ")
		go func() { _, _ = io.WriteString(c, text) }()
		r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
		if err != nil || r.StatusCode != status || r.ProtoMajor != 1 {
			t.Errorf("%.80q: %v, %+v, want %d", text, err, r, status)
		}
	}
	c := w.dial(t, "127.0.0.1") // HTTP/2 with prior knowledge
	_, _ = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if answer, _ := io.ReadAll(c); !strings.HasPrefix(string(answer), "HTTP/1.1 505 ") {
		t.Errorf("%.80q", answer)
	}
}

func TestWeb_SaysWhetherOtherHostsReachIt(t *testing.T) {
	for address, exposed := range map[string]bool{"127.0.0.1:0": false, "127.3.2.1:0": false, "[::1]:0": false,
		"localhost:0": false, "0.0.0.0:0": true, ":0": true, "[::]:0": true} {
		w, err := listenHTTP(address, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.listener.Close()
		if w.exposed != exposed {
			t.Errorf("%s: %v", address, w.exposed)
		}
	}
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
