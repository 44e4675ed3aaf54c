package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/bpf"
)

// inNamespace moves the test to a network namespace of its own, with a veth pair
// tap0 and peer0 that is up, and gives it up at the end.
func inNamespace(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if slices.Contains(strings.Split(os.Getenv("TAP25_TEST_REQUIRE"), ","), "netns") {
			t.Fatalf("netns: %v", err)
		}
		t.Skipf("netns: cannot make a network namespace: %v", err)
	}
	veth(t, "tap0", "peer0")
}

// veth makes a pair that is up. The kernel reports the carrier, and begins to send,
// late on a busy machine: once a second at most (net/core/link_watch.c).
func veth(t testing.TB, a, b string) {
	t.Helper()
	command(t, "ip link add "+a+" type veth peer name "+b)
	command(t, "ip link set "+a+" up")
	command(t, "ip link set "+b+" up")
	for _, name := range []string{a, b} {
		wait(t, "carrier of "+name, func() bool {
			_, up, err := readLink(name)
			return err == nil && up
		})
	}
}

func command(t testing.TB, line string) {
	t.Helper()
	words := strings.Fields(line)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// sender gives a function that puts frames on an interface.
func sender(t testing.TB, name string) func([]byte) {
	t.Helper()
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func(frame []byte) {
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: ifi.Index, Protocol: 0x0008}); err != nil {
			t.Fatal(err)
		}
	}
}

// smtpFrame is an Ethernet frame with a TCP segment to a port, of n bytes in all.
func smtpFrame(port byte, n int) []byte {
	f := make([]byte, n)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, byte((n - 14) >> 8), byte(n - 14), 0, 0, 0, 0, 9, 6, 0, 0, 192, 0, 2, 10, 198, 51, 100, 25, 0x9c, 0x41, 0, port})
	f[46] = 5 << 4
	sum := uint32(0) // a bridge looks at the header's checksum
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	binary.BigEndian.PutUint16(f[24:], ^uint16(sum+sum>>16))
	return f
}

func openLive(t testing.TB, cfg LiveConfig) *Live {
	t.Helper()
	l, err := OpenLive(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// wait polls until ok, for at most ten seconds.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestLive_FramesComeOutWithTimeAndInterface(t *testing.T) {
	inNamespace(t)
	veth(t, "tap1", "peer1")
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0", "tap1"}})
	runtime.GC() // a link that nobody holds is detached by its finalizer
	runtime.GC()
	before := time.Now()
	sender(t, "peer1")(smtpFrame(80, 60))
	want := smtpFrame(25, 333)
	sender(t, "peer1")(want)
	var f Frame
	w := l.Workers()[0]
	wait(t, "a frame", func() bool { return w.Next(&f) == nil })
	if !bytes.Equal(f.Data, want) || f.Length != len(want) || f.LinkType != 1 || f.File != 1 {
		t.Errorf("frame of %d octets of interface %d, want %d of 1", f.Length, f.File, len(want))
	}
	if f.Time.Before(before.Add(-time.Millisecond)) || f.Time.After(time.Now().Add(time.Millisecond)) {
		t.Errorf("received at %v, sent after %v", f.Time, before)
	}
	s, err := l.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.Delivered() != 1 || s.Full() != 0 || s.Seen() != s.Dropped()+s.Full()+s.Delivered() || s.Dropped() < 1 {
		t.Errorf("seen %d, dropped %d, ring full %d, delivered %d", s.Seen(), s.Dropped(), s.Full(), s.Delivered())
	}
	if !s.Links[0].Native || !s.Links[0].Up {
		t.Errorf("tap0: %+v, want native and up", s.Links[0])
	}
	if err := w.Next(&f); !errors.Is(err, ErrNoFrame) {
		t.Errorf("without a frame: %v", err)
	}
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.Next(&f); err != io.EOF {
		t.Errorf("after Stop: %v, want EOF", err)
	}
}

func TestLive_RefusesAnInterfaceWithAnAddress(t *testing.T) {
	inNamespace(t)
	command(t, "ip address add 192.0.2.1/24 dev tap0")
	if l, err := OpenLive(LiveConfig{Interfaces: []string{"tap0"}}); err == nil {
		_ = l.Close()
		t.Error("not refused")
	} else if !strings.Contains(err.Error(), "--inline") {
		t.Errorf("the error does not name the flag: %v", err)
	}
	openLive(t, LiveConfig{Interfaces: []string{"tap0"}, Inline: true})
}

func TestLive_TheSecondOnOneInterfaceSaysWhyNot(t *testing.T) {
	inNamespace(t)
	openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	l, err := OpenLive(LiveConfig{Interfaces: []string{"tap0"}})
	if err == nil {
		_ = l.Close()
		t.Fatal("not refused")
	}
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "another tap25") {
		t.Errorf("error: %v", err)
	}
}

// TestLive_NamesTheCapabilityThatIsMissing takes one capability after the other from
// a thread, which ends with the test.
func TestLive_NamesTheCapabilityThatIsMissing(t *testing.T) {
	for name, number := range map[string]int{"CAP_BPF": unix.CAP_BPF, "CAP_PERFMON": unix.CAP_PERFMON, "CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_NET_RAW": unix.CAP_NET_RAW, "none": -1} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			want := uint64(1)<<unix.CAP_BPF | 1<<unix.CAP_PERFMON | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW
			if number >= 0 {
				want &^= 1 << number
			}
			data := [2]unix.CapUserData{{Effective: uint32(want)}, {Effective: uint32(want >> 32)}}
			data[0].Permitted, data[1].Permitted = data[0].Effective, data[1].Effective
			if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
				t.Fatal(err)
			}
			l, err := OpenLive(LiveConfig{Interfaces: []string{"tap0"}})
			if err == nil {
				_ = l.Close()
			}
			if number < 0 && err != nil || number >= 0 && (err == nil || !strings.Contains(err.Error(), "capability "+name+" ") && !strings.Contains(err.Error(), "capability "+name+":")) {
				t.Errorf("without %s: %v", name, err)
			}
		})
	}
}

func TestLive_Modes(t *testing.T) {
	inNamespace(t)
	command(t, "ip link add bridge0 type bridge") // its driver knows no XDP
	command(t, "ip link set tap0 master bridge0")
	command(t, "ip link set bridge0 up")
	if l, err := OpenLive(LiveConfig{Interfaces: []string{"bridge0"}, Mode: bpf.Native}); err == nil || !strings.Contains(err.Error(), "--xdp generic") {
		t.Errorf("native where there is none: %v, %v", l, err)
	}
	for name, c := range map[string]struct {
		mode   bpf.Mode
		on     string
		native bool
	}{"auto falls back to generic": {bpf.Auto, "bridge0", false}, "generic": {bpf.Generic, "peer0", false}, "auto is native": {bpf.Auto, "peer0", true}, "native": {bpf.Native, "peer0", true}} {
		l := openLive(t, LiveConfig{Interfaces: []string{c.on}, Mode: c.mode})
		s, err := l.Stats()
		if err != nil || s.Links[0].Native != c.native {
			t.Errorf("%s: %v, %+v", name, err, s.Links[0])
		}
		from := map[string]string{"bridge0": "peer0", "peer0": "tap0"}[c.on]
		want := smtpFrame(25, 1000)
		var f Frame
		send := sender(t, from)
		wait(t, name+": a frame", func() bool { // a bridge port forwards once it has a carrier
			send(want)
			return l.Workers()[0].Next(&f) == nil
		})
		if !bytes.Equal(f.Data, want) {
			t.Errorf("%s: another frame came", name)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLive_JumboFramesComeWhole(t *testing.T) {
	inNamespace(t)
	command(t, "ip link set tap0 mtu 9000")
	command(t, "ip link set peer0 mtu 9000")
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	want := smtpFrame(25, 9014)
	for i := range want[54:] {
		want[54+i] = byte(i * 7)
	}
	sender(t, "peer0")(want)
	var f Frame
	wait(t, "a frame", func() bool { return l.Workers()[0].Next(&f) == nil })
	if !bytes.Equal(f.Data, want) || f.Length != len(want) {
		t.Errorf("%d of %d octets, want %d", len(f.Data), f.Length, len(want))
	}
}

func TestLive_PortsChangeWhileRunning(t *testing.T) {
	inNamespace(t)
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	send, w := sender(t, "peer0"), l.Workers()[0]
	var f Frame
	for _, port := range []uint16{25, 77, 25} {
		if err := l.SetPorts([]uint16{port}); err != nil {
			t.Fatal(err)
		}
		send(smtpFrame(byte(102-port), 90)) // the other one
		send(smtpFrame(byte(port), 100))
		wait(t, "a frame", func() bool { return w.Next(&f) == nil })
		if len(f.Data) != 100 {
			t.Errorf("a frame of a port other than %d came", port)
		}
	}
}

// TestLive_OverloadCountsEveryFrame sends faster than is read, through tiny rings.
func TestLive_OverloadCountsEveryFrame(t *testing.T) {
	const senders, each, workers = 2, 20_000, 2
	inNamespace(t)
	veth(t, "tap1", "peer1")
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0", "tap1"}, Workers: workers, RingBytes: 8192})
	var sending, reading sync.WaitGroup
	for i, name := range []string{"peer0", "peer1"} {
		send := sender(t, name)
		sending.Go(func() {
			for n := range uint32(each) {
				f := smtpFrame(25, 100)
				f[29] = byte(10 + i + int(n%8)*2) // connections of each interface's own
				binary.BigEndian.PutUint32(f[54:], n)
				send(f)
				send(smtpFrame(80, 60))
			}
		})
	}
	var read, lost atomic.Uint64
	for _, w := range l.Workers() {
		reading.Go(func() {
			last := map[byte]uint32{} // by connection
			var f Frame
			for {
				err := w.Next(&f)
				lost.Add(f.Lost)
				if err == io.EOF {
					return
				}
				if err != nil {
					continue
				}
				read.Add(1)
				n := binary.BigEndian.Uint32(f.Data[54:])
				if before, ok := last[f.Data[29]]; ok && n <= before {
					t.Errorf("frame %d behind %d", n, before)
				}
				last[f.Data[29]] = n
			}
		})
	}
	sending.Wait()
	wait(t, "the kernel to be done", func() bool { // what the last softirq brings
		a, _ := l.Stats()
		time.Sleep(20 * time.Millisecond)
		b, _ := l.Stats()
		return a.Seen() == b.Seen()
	})
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	reading.Wait()
	s, err := l.Stats()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("sent %d, seen %d, dropped by design %d, read %d, lost %d", 2*senders*each, s.Seen(), s.Dropped(), read.Load(), lost.Load())
	if s.Seen() != s.Dropped()+s.Full()+s.Delivered() || s.Delivered() != read.Load() || s.Full() != lost.Load() {
		t.Errorf("seen %d, dropped %d, ring full %d, delivered %d; read %d, told lost %d", s.Seen(), s.Dropped(), s.Full(), s.Delivered(), read.Load(), lost.Load())
	}
	if s.Full() == 0 || s.Delivered() == 0 || s.Dropped() == 0 {
		t.Error("no overload")
	}
}

func TestLive_SurvivesTheInterfaceGoingDownAndAway(t *testing.T) {
	inNamespace(t)
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	var last LinkChange
	changed := func(want func(LinkChange) bool) func() bool {
		return func() bool {
			for _, c := range l.Check() {
				last = c
			}
			return want(last)
		}
	}
	command(t, "ip link set tap0 down")
	wait(t, "down", changed(func(c LinkChange) bool { return c.Name == "tap0" && !c.Up && !c.Away }))
	command(t, "ip link set tap0 up")
	wait(t, "up", changed(func(c LinkChange) bool { return c.Up }))
	wait(t, "carrier of peer0", func() bool {
		_, up, err := readLink("peer0")
		return err == nil && up
	})
	sender(t, "peer0")(smtpFrame(25, 99))
	var f Frame
	wait(t, "a frame after up", func() bool { return l.Workers()[0].Next(&f) == nil })
	command(t, "ip link del tap0")
	wait(t, "away", changed(func(c LinkChange) bool { return c.Away }))
	veth(t, "tap0", "peer0")
	wait(t, "back", changed(func(c LinkChange) bool { return c.Back || !c.Away && c.Up }))
	sender(t, "peer0")(smtpFrame(25, 100))
	wait(t, "a frame", func() bool { return l.Workers()[0].Next(&f) == nil })
}

// TestMain lets the test binary be the child that is killed.
func TestMain(m *testing.M) {
	if name := os.Getenv("TAP25_TEST_LISTEN_ON"); name != "" {
		l, err := OpenLive(LiveConfig{Interfaces: []string{name}})
		if err != nil {
			panic(err)
		}
		runtime.GC() // a Live that nobody holds is collected, and its attachment ends
		runtime.GC()
		_, _ = os.Stdout.WriteString("attached\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends, if it does not kill first
		runtime.KeepAlive(l)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLive_NothingStaysAttachedAfterAnyEnd(t *testing.T) {
	for name, end := range map[string]func(*exec.Cmd, io.Closer) error{
		"kill -9":       func(c *exec.Cmd, _ io.Closer) error { return c.Process.Kill() },
		"SIGTERM":       func(c *exec.Cmd, _ io.Closer) error { return c.Process.Signal(unix.SIGTERM) },
		"SIGQUIT":       func(c *exec.Cmd, _ io.Closer) error { return c.Process.Signal(unix.SIGQUIT) },
		"without Close": func(_ *exec.Cmd, stdin io.Closer) error { return stdin.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			child, stdin := startChild(t)
			if !linkShows(t, "xdp") || !linkShows(t, "promiscuity 1") { // at once: attaching is synchronous
				t.Error("the child is not attached and promiscuous")
			}
			if err := end(child, stdin); err != nil {
				t.Fatal(err)
			}
			_ = child.Wait()
			wait(t, "detached and not promiscuous", func() bool { return !linkShows(t, "xdp") && linkShows(t, "promiscuity 0") })
		})
	}
}

// startChild runs the test binary as a child that listens on tap0, and returns once it does.
func startChild(t testing.TB) (*exec.Cmd, io.Closer) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "TAP25_TEST_LISTEN_ON=tap0")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if line != "attached\n" {
		_ = child.Wait()
		t.Fatal(line)
	}
	return child, stdin
}

func linkShows(t testing.TB, what string) bool {
	t.Helper()
	out, err := exec.Command("ip", "-d", "link", "show", "dev", "tap0").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), what)
}

func TestClock_FollowsCorrectionsWithoutGoingBack(t *testing.T) {
	const second = uint64(time.Second)
	c := clock{offset: 1000 * int64(second), synced: second}
	c.sync(2*second, 999*int64(second)) // the wall clock went back by one second
	last := c.wall(2 * second)
	for boot := 2 * second; boot < 40*second; boot += second / 4 {
		if c.due(boot) {
			c.sync(boot, 999*int64(second))
		}
		if now := c.wall(boot); now.Before(last) {
			t.Fatalf("went back from %v to %v", last, now)
		}
		last = c.wall(boot)
	}
	if c.offset != 999*int64(second) || c.steps != 0 {
		t.Errorf("offset %d after %d steps, want the corrected one without a step", c.offset, c.steps)
	}
	c.sync(41*second, 5000*int64(second))
	if c.offset != 5000*int64(second) || c.steps != 1 {
		t.Errorf("a clock that was set: offset %d, %d steps", c.offset, c.steps)
	}
}
