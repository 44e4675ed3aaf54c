package capture

import (
	"encoding/binary"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"tap25/capture/capturetest"

	"golang.org/x/sys/unix"
)

// inNamespace moves the test to a network namespace of its own, with a veth pair
// tap0 and peer0 that is up, and gives it up at the end.
func inNamespace(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		capturetest.Missing(t, "netns", "make a network namespace: "+err.Error())
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
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, byte((n - 14) >> 8), byte(n - 14), 0, 0, 0, 0, 9,
		6, 0, 0, 192, 0, 2, 10, 198, 51, 100, 25, 0x9c, 0x41, 0, port})
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
