package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/report"
)

// failed waits for one that cannot run, and gives what it says.
func (s *sniffing) failed() string {
	s.t.Helper()
	if err := s.cmd.Wait(); err == nil {
		s.t.Error("it ended well")
	}
	return s.diag.String()
}

// wrongLiveSums holds the counters of a sniff at rest against each other.
func wrongLiveSums(r *report.Report) (wrong []string) {
	var delivered, full, read int64
	for _, w := range r.Workers {
		delivered, full, read = delivered+w.Delivered, full+w.Full, read+w.Read
	}
	equal := func(what string, a, b int64) {
		if a != b {
			wrong = append(wrong, fmt.Sprintf("%s: %d and %d", what, a, b))
		}
	}
	equal("seen = dropped by design + ring full + delivered", r.Seen, report.Sum(r.Dropped)+r.RingFull+r.Delivered)
	equal("delivered, by ring", r.Delivered, delivered)
	equal("ring full, by ring", r.RingFull, full)
	equal("ring full, as the workers know", r.RingFull, r.Lost)
	seen, otherFull, otherDelivered := r.Seen, r.RingFull, r.Delivered
	for _, i := range r.Interfaces {
		here := report.Ring{}
		for _, ring := range i.Rings {
			here.Full, here.Delivered = here.Full+ring.Full, here.Delivered+ring.Delivered
		}
		equal("seen on "+i.Name, i.Seen, report.Sum(i.Dropped)+here.Full+here.Delivered)
		equal("delivered = read of "+i.Name, here.Delivered, i.Frames)
		seen -= i.Seen
		otherFull -= here.Full
		otherDelivered -= here.Delivered
	}
	equal("seen, not of an interface", seen, 0)
	equal("ring full, not of an interface", otherFull, 0)
	equal("delivered, not of an interface", otherDelivered, 0)
	equal("delivered = read", r.Delivered, r.Read)
	equal("read, by ring", r.Read, read)
	equal("read, by verdict", r.Read, report.Sum(r.Frames))
	equal("segments, by direction", r.Frames["tcp_port"], r.ToServers+r.FromServers)
	equal("rows, by outcome", r.Rows, report.Sum(r.Outcomes))
	if s := r.Store; s != nil {
		equal("rows + coverage = spooled + in memory + lost", r.Rows+s.Coverage, s.Spooled+s.InMemory+s.Lost)
		equal("spooled + found", s.Spooled+s.Found, s.Loaded+s.Waiting+s.SetAside+s.Damaged)
	}
	return wrong
}

// atRest waits until the counters of a sniff that hears nothing new add up.
func (s *sniffing) atRest(rows int) (r *report.Report) {
	s.t.Helper()
	var wrong []string
	defer func() {
		if len(wrong) > 0 {
			s.t.Errorf("the counters do not add up: %q in %+v", wrong, r)
		}
	}()
	await(s.t, "counters at rest", func() bool {
		var err error
		if r, err = report.Ask(s.t.Context(), s.control); err != nil {
			return false
		}
		wrong = wrongLiveSums(r)
		return r.Rows == int64(rows) && len(wrong) == 0
	})
	return r
}

// TestSniff_TapWithOnePortPerDirection hears the client on one interface and the server on another.
func TestSniff_TapWithOnePortPerDirection(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	for port, tap := range map[string]string{"port1": "rx0", "port25": "rx1"} {
		w.ip("link add to" + tap + " netns " + w.hub + " type veth peer name " + tap + " netns " + w.tap)
		w.ip("-n " + w.hub + " link set to" + tap + " up")
		w.ip("-n " + w.tap + " link set " + tap + " up")
		w.command("tc -n " + w.hub + " qdisc add dev " + port + " clsact")
		w.command("tc -n " + w.hub + " filter add dev " + port +
			" ingress protocol all u32 match u32 0 0 action mirred egress mirror dev to" + tap)
		await(t, "carrier", func() bool { return w.linkIn(w.tap, tap).carrier })
	}
	s := w.sniff("-i", "rx0", "-i", "rx1", "--workers", "2", "--metrics", metricsAddress)
	seenOn := func(tap string) (n int64) {
		_, metrics := w.get("/metrics")
		return sumOf(t, metrics, `frames_seen_total{interface="`+tap+`"}`)
	}
	before := map[string]int64{} // what came before tap25
	for _, tap := range []string{"rx0", "rx1"} {
		await(t, "a moment in which no frame comes, on "+tap, func() bool {
			packets, seen := w.linkIn(w.tap, tap).packets, seenOn(tap)
			before[tap] = packets - seen
			return w.linkIn(w.tap, tap).packets == packets
		})
	}
	for i, to := range []string{"192.0.2.25:25", "[2001:db8::25]:25"} {
		if err := w.send(to, fmt.Sprintf("m%d-", i), 10); err != nil {
			t.Fatal(err)
		}
	}
	r := s.atRest(len(m.taken))
	if len(r.Interfaces) != 2 || len(r.Workers) != 2 || r.ToServers == 0 || r.FromServers == 0 {
		t.Errorf("%+v", r)
	}
	for _, tap := range []string{"rx0", "rx1"} {
		if w.linkIn(w.tap, tap).packets < 100 {
			t.Errorf("%s heard nothing: this shows nothing", tap)
		}
		await(t, "what the kernel has counted since, on "+tap, func() bool {
			return seenOn(tap) == w.linkIn(w.tap, tap).packets-before[tap]
		})
	}
	rows := essentials(s.end(syscall.SIGTERM))
	slices.Sort(m.taken)
	if !slices.Equal(rows, m.taken) {
		t.Errorf("%d rows differ from the %d taken: %q", len(rows), len(m.taken), rows)
	}
}

// TestSniff_InlineLeavesTheHostItsTraffic listens on an interface with an address, which a mirror and the host's own
// traffic share.
func TestSniff_InlineLeavesTheHostItsTraffic(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	w.ip("-n " + w.tap + " addr add 192.0.2.77/24 dev tap0")
	var l net.Listener
	if err := w.in(w.tap, func() (err error) { l, err = net.Listen("tcp", "192.0.2.77:7"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	s := w.sniff("--inline")
	var c net.Conn
	if err := w.in(w.client, func() (err error) { c, err = net.Dial("tcp", "192.0.2.77:7"); return err }); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, to := range []string{"192.0.2.25:25", "[2001:db8::25]:25"} {
		sent := bytes.Repeat([]byte(to), 10000)
		go func() { _, _ = c.Write(sent) }()
		if err := w.send(to, "m", 5); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, len(sent))
		if _, err := io.ReadFull(c, back); err != nil || !bytes.Equal(back, sent) {
			t.Errorf("the host's own traffic suffers: %v", err)
		}
	}
	s.atRest(20)
	if rows := essentials(s.end(syscall.SIGTERM)); !slices.Equal(rows, slices.Sorted(slices.Values(m.taken))) {
		t.Errorf("%d rows differ from the %d taken", len(rows), len(m.taken))
	}
}

// TestSniff_GenericWhereTheDriverHasNoXDP listens on a bridge, whose driver has none.
func TestSniff_GenericWhereTheDriverHasNoXDP(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	w.ip("-n " + w.tap + " link add br0 type bridge")
	w.ip("-n " + w.tap + " link set tap0 master br0")
	w.ip("-n " + w.tap + " link set br0 up")
	await(t, "carrier", func() bool { return w.linkIn(w.tap, "br0").carrier })
	native := w.prepare(t.TempDir(), "-i", "br0", "--xdp", "native")
	native.launch(w)
	if said := native.failed(); !strings.Contains(said, "--xdp generic") {
		t.Errorf("native: %s", said)
	}
	for mode, warns := range map[string]bool{"auto": true, "generic": false} {
		s := w.sniff("-i", "br0", "--xdp", mode)
		if strings.Contains(s.diag.String(), "generic mode costs") != warns {
			t.Errorf("%s: %s", mode, s.diag.String())
		}
		before := len(m.taken)
		await(t, "the bridge to pass mail on", func() bool {
			if err := w.send("192.0.2.25:25", mode, 1); err != nil {
				t.Fatal(err)
			}
			return strings.Contains(s.out.String(), `"accepted"`)
		})
		await(t, "rows", func() bool { return strings.Count(s.out.String(), "\n") == len(m.taken)-before })
		s.end(syscall.SIGTERM)
	}
}

// TestSniff_NothingStaysBehindAfterAnyEnd holds the interface, and the directory for a core, after each signal.
func TestSniff_NothingStaysBehindAfterAnyEnd(t *testing.T) {
	w := newWire(t)
	promiscuous := func() bool {
		out, err := exec.Command("ip", "-n", w.tap, "-d", "link", "show", "tap0").Output()
		return err == nil && strings.Contains(string(out), "promiscuity 1")
	}
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL, syscall.SIGQUIT,
		syscall.SIGABRT, syscall.SIGSEGV} {
		t.Run(end.String(), func(t *testing.T) {
			s := w.prepare(t.TempDir())
			s.t, s.cmd.Dir = t, t.TempDir()
			s.cmd.Env = append(s.cmd.Env, "GOTRACEBACK=crash") // Go then asks for a core
			s.launch(w)
			s.awaitListening()
			if !promiscuous() || !w.linkIn(w.tap, "tap0").attached {
				t.Error("it does not listen, or is not promiscuous")
			}
			if err := s.cmd.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			err := s.cmd.Wait()
			if orderly := end == syscall.SIGTERM || end == syscall.SIGINT; orderly != (err == nil) ||
				orderly != strings.Contains(s.diag.String(), "\nseconds ") {
				t.Errorf("%v: %s", err, s.diag.String())
			}
			await(t, "it to be detached", func() bool { return !promiscuous() && !w.linkIn(w.tap, "tap0").attached })
			if left, err := os.ReadDir(s.cmd.Dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestSniff_SaysWhenTheInterfaceGoesDownAndUp has it lose its carrier, and mail come behind that.
func TestSniff_SaysWhenTheInterfaceGoesDownAndUp(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	s := w.sniff()
	w.ip("-n " + w.hub + " link set port down")
	await(t, "word of it", func() bool {
		return strings.Contains(s.diag.String(), "the interface is down, or has no carrier")
	})
	if r, err := report.Ask(t.Context(), s.control); err != nil || len(r.NotLive) > 0 ||
		!slices.Equal(r.NotReady, []string{"interface tap0 is down"}) {
		t.Errorf("%v, %+v", err, r)
	}
	w.ip("-n " + w.hub + " link set port up")
	await(t, "word of it", func() bool { return strings.Contains(s.diag.String(), "the interface is up") })
	if err := w.send("192.0.2.25:25", "behind", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "rows", func() bool { return strings.Count(s.out.String(), "\n") == 2 })
	if rows := essentials(s.end(syscall.SIGTERM)); !slices.Equal(rows, m.taken) {
		t.Errorf("%q", rows)
	}
}

// asNobody has a command started without the capabilities named, as another user.
func asNobody(t testing.TB, cmd *exec.Cmd, capabilities string) {
	t.Helper()
	caps := "-all"
	for name := range strings.FieldsSeq(capabilities) {
		caps += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	cmd.Args = append([]string{"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=" + caps,
		"--ambient-caps=" + caps, "--bounding-set=" + caps, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = requireTool(t, "setpriv", "root")
}

// program copies the test binary, under a name that says what it is, to where every user finds it.
func program(t testing.TB, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(openDir(t), name)
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSniff_NamesTheCapabilityThatIsMissing(t *testing.T) {
	w := newWire(t)
	path := program(t, "tap25")
	all := "CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_NET_RAW"
	for missing := range strings.FieldsSeq(all) {
		s := w.prepare(openDir(t))
		s.cmd.Path = path
		asNobody(t, s.cmd, strings.Replace(all, missing, "", 1))
		s.launch(w)
		if said := s.failed(); !strings.Contains(said, "capability "+missing) || strings.Contains(said, "MEMLOCK") {
			t.Errorf("without %s: %s", missing, said)
		}
	}
}

// TestSniff_RunsByFileCapabilities starts one as a user who has no rights, from a file that has.
func TestSniff_RunsByFileCapabilities(t *testing.T) {
	w := newWire(t)
	state := openDir(t)
	if err := os.Chown(state, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	path := program(t, "tap25")
	w.command(requireTool(t, "setcap", "root") + " cap_bpf,cap_perfmon,cap_net_admin,cap_net_raw+ep " + path)
	s := w.prepare(state)
	s.cmd.Path, s.cmd.Args[0] = path, "tap25"
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	s.launch(w)
	s.awaitListening()
	for _, thread := range statusOf(t, s.cmd.Process.Pid) {
		for _, field := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
			if thread[field] != "0000000000000000" {
				t.Errorf("%s %s", field, thread[field])
			}
		}
		if thread["NoNewPrivs"] != "1" {
			t.Error("new privileges are possible")
		}
	}
	s.end(syscall.SIGTERM)
}

// TestSniff_SecondInterruptEndsAtOnce interrupts a tap whose rows nobody reads. It waits a tenth of a second for the
// reader. If this process is too slow to send the second interrupt meanwhile, the test tries again.
func TestSniff_SecondInterruptEndsAtOnce(t *testing.T) {
	w := newWire(t)
	w.serve()
	for tries := 20; ; tries-- {
		s := w.hung()
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		stopping := func() bool { return strings.Contains(s.diag.String(), `"message":"stopping"`) }
		for end := time.Now().Add(patient); !stopping() && time.Now().Before(end); { // await would look too seldom
			time.Sleep(time.Millisecond)
		}
		_ = s.cmd.Process.Signal(os.Interrupt)
		err := s.cmd.Wait()
		status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if ok && status.Signaled() && status.Signal() == syscall.SIGINT {
			break
		}
		if tries == 0 {
			t.Fatal(err)
		}
	}
	if w.linkIn(w.tap, "tap0").attached {
		t.Error("it is still attached")
	}
}

// hung starts a sniff whose one worker has stopped at a row that nobody takes: standard output is a full pipe.
func (w *wire) hung(env ...string) *sniffing {
	w.t.Helper()
	s := w.prepare(w.t.TempDir(), "--workers", "1", "--metrics", "127.0.0.1:9425")
	var fds [2]int
	err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	w.t.Cleanup(func() { _ = unix.Close(fds[0]) })
	for err == nil {
		_, err = unix.Write(fds[1], make([]byte, 4096))
	}
	if err != unix.EAGAIN {
		w.t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[1], false); err != nil {
		w.t.Fatal(err)
	}
	out := os.NewFile(uintptr(fds[1]), "full pipe")
	s.cmd.Stdout = out
	s.cmd.Env = append(s.cmd.Env, env...)
	s.launch(w)
	_ = out.Close()
	s.awaitListening()
	if err := w.send("192.0.2.25:25", "stuck", 1); err != nil {
		w.t.Fatal(err)
	}
	return s
}
