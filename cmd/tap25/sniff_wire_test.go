package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tap25/capture/capturetest"
)

func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		capturetest.Missing(t, "root", "network namespaces and XDP take it")
	}
}

// wire is two hosts on a bridge that sends every frame out of all its ports, as a hub does, and on its third port a
// tap.
type wire struct {
	t                        testing.TB
	client, server, tap, hub string        // namespaces
	ports                    *atomic.Int32 // that send has used
}

// wires tells the namespaces of tests that run beside each other apart.
var wires atomic.Int64

// newWire makes the namespaces, with addresses of both families for the hosts and none for the tap, and removes them at
// the end.
func newWire(t testing.TB) *wire {
	t.Helper()
	requireRoot(t)
	n := fmt.Sprint(os.Getpid(), "x", wires.Add(1))
	w := &wire{t, "t25c" + n, "t25s" + n, "t25t" + n, "t25h" + n, new(atomic.Int32)}
	t.Cleanup(func() {
		for _, ns := range []string{w.client, w.server, w.tap, w.hub} {
			_ = exec.Command("ip", "netns", "del", ns).Run()
		}
	})
	for _, ns := range []string{w.client, w.server, w.tap, w.hub} {
		w.ip("netns add " + ns)
		w.ip("-n " + ns + " link set lo up")
	}
	w.ip("-n " + w.hub + " link add br0 type bridge ageing_time 0 mcast_snooping 0")
	w.ip("-n " + w.hub + " link set br0 up")
	for _, end := range [][3]string{{w.client, "eth0", "1"}, {w.server, "eth0", "25"}, {w.tap, "tap0", ""}} {
		ns, dev, host := end[0], end[1], end[2]
		w.ip("link add port" + host + " netns " + w.hub + " type veth peer name " + dev + " netns " + ns)
		w.ip("-n " + w.hub + " link set port" + host + " master br0")
		w.ip("-n " + w.hub + " link set port" + host + " type bridge_slave learning off")
		w.ip("-n " + w.hub + " link set port" + host + " up")
		if host != "" {
			w.ip("-n " + ns + " addr add 192.0.2." + host + "/24 dev " + dev)
			w.ip("-n " + ns + " addr add 2001:db8::" + host + "/64 nodad dev " + dev)
			// Without offloads frames are those of a wire.
			w.command("ip netns exec " + ns + " ethtool -K " + dev + " tso off gso off gro off tx off rx off sg off")
		}
		w.ip("-n " + ns + " link set " + dev + " up")
	}
	for ns, dev := range map[string]string{w.client: "eth0", w.tap: "tap0"} {
		await(t, "carrier", func() bool {
			out, _ := exec.Command("ip", "-n", ns, "link", "show", dev).Output()
			return bytes.Contains(out, []byte("LOWER_UP"))
		})
	}
	return w
}

func (w *wire) ip(args string) {
	w.t.Helper()
	w.command("ip " + args)
}

func (w *wire) command(line string) {
	w.t.Helper()
	words := strings.Fields(line)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// in runs f in a namespace; sockets that it opens stay there.
func (w *wire) in(ns string, f func() error) error { return capturetest.InNamespace(ns, f) }

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	awaitFor(t, time.Minute, what, ok)
}

// awaitFor asks again after a tenth of the time that it has waited so far, so that it leaves the processor to what it
// waits for.
func awaitFor(t testing.TB, most time.Duration, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); !ok(); {
		waited := time.Since(begun)
		if waited > most {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(min(max(waited/10, time.Millisecond), 100*time.Millisecond))
	}
}

// mailServer answers SMTP on port 25 of the server, and notes each message as it takes it.
type mailServer struct {
	mu    sync.Mutex
	taken []string
}

func (w *wire) serve() *mailServer {
	w.t.Helper()
	m := &mailServer{}
	var l net.Listener
	if err := w.in(w.server, func() (err error) { l, err = net.Listen("tcp", ":25"); return err }); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go m.session(c)
		}
	}()
	return m
}

func (m *mailServer) session(c net.Conn) {
	defer c.Close()
	r := textproto.NewReader(bufio.NewReader(c))
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	say("220 mx.example ESMTP")
	var from string
	var to []string
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line[:min(4, len(line))]); verb {
		case "MAIL":
			from, to = line[len("MAIL FROM:<"):len(line)-1], nil
			say("250 ok")
		case "RCPT":
			to = append(to, line[len("RCPT TO:<"):len(line)-1])
			say("250 ok")
		case "DATA":
			say("354 go")
			if _, err := r.ReadDotBytes(); err != nil {
				return
			}
			m.mu.Lock()
			for _, rcpt := range to {
				m.taken = append(m.taken, from+" "+rcpt+" accepted")
			}
			m.mu.Unlock()
			say("250 2.0.0 Ok: queued as 4ABCDE1234")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// send sends mails over one connection each, to an address of the server.
func (w *wire) send(to string, prefix string, mails int) error {
	for i := range mails {
		// A port of its own, below those that the kernel chooses: it gives one again if the server closed first, and
		// the port would no longer name the session.
		d := net.Dialer{LocalAddr: &net.TCPAddr{Port: 1024 + int(w.ports.Add(1))}}
		var c net.Conn
		if err := w.in(w.client, func() (err error) { c, err = d.Dial("tcp", to); return err }); err != nil {
			return err
		}
		p := textproto.NewConn(c)
		if _, _, err := p.ReadResponse(220); err != nil {
			return err
		}
		for _, step := range []struct {
			line string
			code int
		}{
			{"EHLO client.example", 250},
			{fmt.Sprintf("MAIL FROM:<%s%d@a.example>", prefix, i), 250},
			{fmt.Sprintf("RCPT TO:<b%d@b.example>", i), 250},
			{fmt.Sprintf("RCPT TO:<c%d@b.example>", i), 250}, {"DATA", 354},
			{"Subject: x\r\n\r\n" + strings.Repeat("All work and no play.\r\n", 40*(i%8)) + ".", 250}, {"QUIT", 221},
		} {
			if err := p.PrintfLine("%s", step.line); err != nil {
				return err
			}
			if _, _, err := p.ReadResponse(step.code); err != nil {
				return err
			}
		}
		if err := p.Close(); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until all connections of both hosts have ended: no frame of them comes any more.
func (w *wire) settle() {
	w.t.Helper()
	for _, ns := range []string{w.client, w.server} {
		await(w.t, "the end of all connections", func() bool {
			open := 0
			err := w.in(ns, func() error {
				for _, family := range []string{"tcp", "tcp6"} {
					text, err := os.ReadFile("/proc/thread-self/net/" + family)
					if err != nil {
						return err
					}
					for line := range strings.Lines(string(text)) {
						const timeWait, listen = "06", "0A" // include/net/tcp_states.h
						if f := strings.Fields(line); f[0] != "sl" && f[3] != timeWait && f[3] != listen {
							open++
						}
					}
				}
				return nil
			})
			if err != nil {
				w.t.Fatal(err)
			}
			return open == 0
		})
	}
}

// noise sends UDP and TCP of other ports, n packets of each at least.
func (w *wire) noise(n int) error {
	for _, network := range []string{"udp", "tcp"} {
		var c net.Conn
		var l net.Listener
		if network == "tcp" {
			if err := w.in(w.server, func() (err error) { l, err = net.Listen("tcp", ":80"); return err }); err != nil {
				return err
			}
			go func() {
				if c, err := l.Accept(); err == nil {
					_, _ = bufio.NewReader(c).WriteTo(discard{})
				}
			}()
		}
		if err := w.in(w.client, func() (err error) {
			c, err = net.Dial(network, "192.0.2.25:80")
			return err
		}); err != nil {
			return err
		}
		for range n {
			_, _ = c.Write(make([]byte, 600)) // UDP is refused now and then: nobody listens
		}
		_ = c.Close()
		if l != nil {
			_ = l.Close()
		}
	}
	return nil
}
