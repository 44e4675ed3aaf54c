package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tap25/bpf"
)

// probed is tap25 that, on SIGUSR1, tries what it must not be able to do any more, and says how that went.
func probed() {
	asked := make(chan os.Signal, 1)
	notifyProbe(asked)
	go func() {
		for range asked {
			for name, try := range map[string]func() error{
				"load another program": func() error { _, err := bpf.Load(bpf.Config{RingBytes: 4096}); return err },
				"open a raw socket": func() error {
					_, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
					return err
				},
				"become root":    func() error { return unix.Setuid(0) },
				"write to /etc":  func() error { return os.WriteFile("/etc/tap25-probe", nil, 0o600) },
				"read a capture": func() error { _, err := os.ReadFile(os.Getenv("TAP25_TEST_OUTSIDE")); return err },
			} {
				fmt.Fprintf(os.Stderr, "probe %s: %v\n", name, try())
			}
			fmt.Fprintln(os.Stderr, "probed")
		}
	}()
	os.Exit(process())
}

func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		if slices.Contains(strings.Split(os.Getenv("TAP25_TEST_REQUIRE"), ","), "root") {
			t.Fatal("must be root")
		}
		t.Skip("needs root, for network namespaces and XDP")
	}
}

// wire is two hosts on a bridge that sends every frame out of all its ports, as a hub does, and on its third port a tap.
type wire struct {
	t                        testing.TB
	client, server, tap, hub string // namespaces
}

// newWire makes the namespaces, with addresses of both families for the hosts and none for the tap, and removes them at the end.
func newWire(t testing.TB) *wire {
	t.Helper()
	requireRoot(t)
	n := os.Getpid()
	w := &wire{t, fmt.Sprintf("t25c%d", n), fmt.Sprintf("t25s%d", n), fmt.Sprintf("t25t%d", n), fmt.Sprintf("t25h%d", n)}
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
func (w *wire) in(ns string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		file, err := os.Open("/run/netns/" + ns)
		if err == nil {
			defer file.Close()
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	awaitFor(t, 15*time.Second, what, ok)
}

func awaitFor(t testing.TB, most time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(most); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// sniffing is a tap25 sniff in a process of its own, in the tap's namespace.
type sniffing struct {
	t       testing.TB
	cmd     *exec.Cmd
	out     syncBuffer
	diag    syncBuffer
	control string
	state   string
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// sniff starts one and waits until it listens.
func (w *wire) sniff(args ...string) *sniffing {
	w.t.Helper()
	s := w.start(args...)
	s.awaitListening()
	return s
}

func (s *sniffing) awaitListening() {
	s.t.Helper()
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Log(s.diag.String())
		}
	})
	await(s.t, "tap25 to listen", func() bool { return strings.Contains(s.diag.String(), `"message":"listening"`) })
	await(s.t, "an answer of the control socket", func() bool { _, err := askReport(s.t.Context(), s.control); return err == nil })
}

func (w *wire) start(args ...string) *sniffing {
	w.t.Helper()
	state := w.t.TempDir()
	if slices.Contains(args, "--db") {
		state = os.Getenv("XDG_STATE_HOME")
	}
	s := w.prepare(state, args...)
	s.launch(w)
	return s
}

// prepare gives one that is not started yet, on tap0 unless the arguments name interfaces.
func (w *wire) prepare(state string, args ...string) *sniffing {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	s := &sniffing{t: w.t, state: state, control: filepath.Join(state, "control.sock")}
	s.cmd = exec.Command(self)
	s.cmd.Args = append([]string{"tap25-probed", "sniff", "--sensor", "tap", "--control", s.control}, args...)
	if !slices.Contains(args, "-i") {
		s.cmd.Args = append(s.cmd.Args, "-i", "tap0")
	}
	if !slices.Contains(args, "--db") {
		s.cmd.Args = append(s.cmd.Args, "--json")
	}
	s.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+s.state)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.diag
	return s
}

func (s *sniffing) launch(w *wire) {
	s.t.Helper()
	if err := w.in(w.tap, s.cmd.Start); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
}

// end ends it by a signal and gives its rows.
func (s *sniffing) end(sig os.Signal) []map[string]any {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("%v: %s", err, s.diag.String())
	}
	var rows []map[string]any
	for line := range strings.SplitSeq(strings.TrimSpace(s.out.String()), "\n") {
		var row map[string]any
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			s.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
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
		var c net.Conn
		if err := w.in(w.client, func() (err error) { c, err = net.Dial("tcp", to); return err }); err != nil {
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
			{fmt.Sprintf("MAIL FROM:<%s%d@a.example>", prefix, i), 250}, {fmt.Sprintf("RCPT TO:<b%d@b.example>", i), 250},
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
		if err := w.in(w.client, func() (err error) { c, err = net.Dial(network, "192.0.2.25:80"); return err }); err != nil {
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

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// essentials is what a server's log can tell of a row.
func essentials(rows []map[string]any) (list []string) {
	for _, r := range rows {
		list = append(list, fmt.Sprint(r["mail_from"], " ", r["rcpt_to"], " ", r["outcome"]))
		if r["flags"] != nil {
			list[len(list)-1] += fmt.Sprint(r["flags"])
		}
	}
	slices.Sort(list)
	return list
}

func TestSniff_RowsAreWhatTheServerTook(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	capture := w.record()
	s := w.sniff("--workers", "2", "--metrics", "127.0.0.1:0")
	if err := w.send("192.0.2.25:25", "four", 60); err != nil {
		t.Fatal(err)
	}
	if err := w.noise(32000); err != nil {
		t.Fatal(err)
	}
	if err := w.send("[2001:db8::25]:25", "six", 60); err != nil {
		t.Fatal(err)
	}
	slices.Sort(m.taken)
	await(t, "all rows", func() bool { return strings.Count(s.out.String(), "\n") >= len(m.taken) })
	var r *report
	await(t, "counters at rest", func() bool {
		var err error
		r, err = askReport(t.Context(), s.control)
		return err == nil && r.Read == r.Delivered && r.Rows == int64(len(m.taken))
	})
	if r.Seen != sumOf(r.Dropped)+r.RingFull+r.Delivered || r.Read != sumOf(r.Frames) || r.RingFull != 0 || r.Rows != sumOf(r.Outcomes) {
		t.Errorf("the counters do not add up: %+v", r)
	}
	if r.Dropped["other_port"] == 0 || r.Dropped["not_tcp"] < 10000 || sumOf(r.Dropped) < 10*r.Read {
		t.Errorf("of %d frames %v were dropped by design, too little beside %d of SMTP", r.Seen, r.Dropped, r.Read)
	}
	if len(r.Ailments)+len(r.Wants) > 0 {
		t.Errorf("not live and ready: %q %q", r.Ailments, r.Wants)
	}
	rows := s.end(syscall.SIGTERM)
	if diff := cmp.Diff(m.taken, essentials(rows)); diff != "" {
		t.Errorf("server's log against rows: %s", diff)
	}
	if !strings.Contains(s.diag.String(), fmt.Sprintf("rows      %d (accepted %d)", len(rows), len(rows))) {
		t.Errorf("no summary: %s", s.diag.String())
	}
	// The frame is stamped at each end of the wire; between the two stamps the scheduler may step in.
	compareWithReplay(t, rows, capture(), 50*time.Millisecond)
}
