package capture

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
	command(t, "ip link add tap0 type veth peer name peer0")
	command(t, "ip link set tap0 up")
	command(t, "ip link set peer0 up")
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
	command(t, "ip link add tap1 type veth peer name peer1")
	command(t, "ip link set tap1 up")
	command(t, "ip link set peer1 up")
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

func TestLive_SurvivesTheInterfaceGoingDownAndAway(t *testing.T) {
	inNamespace(t)
	l := openLive(t, LiveConfig{Interfaces: []string{"tap0"}})
	wait(t, "carrier", func() bool { // the kernel reports it late, once a second at most (net/core/link_watch.c)
		l.Check()
		s, err := l.Stats()
		return err == nil && s.Links[0].Up
	})
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
	command(t, "ip link del tap0")
	wait(t, "away", changed(func(c LinkChange) bool { return c.Away }))
	command(t, "ip link add tap0 type veth peer name peer0")
	command(t, "ip link set tap0 up")
	command(t, "ip link set peer0 up")
	wait(t, "back", changed(func(c LinkChange) bool { return c.Back || !c.Away && c.Up }))
	sender(t, "peer0")(smtpFrame(25, 100))
	var f Frame
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

func TestLive_NothingStaysAttachedAfterKill(t *testing.T) {
	inNamespace(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "TAP25_TEST_LISTEN_ON=tap0")
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("attached\n"))
	if _, err := io.ReadFull(out, line); err != nil {
		t.Fatal(err)
	}
	if !linkShows(t, "xdp") || !linkShows(t, "promiscuity 1") { // at once: attaching is synchronous
		t.Error("the child is not attached and promiscuous")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	wait(t, "detached and not promiscuous", func() bool { return !linkShows(t, "xdp") && linkShows(t, "promiscuity 0") })
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
