package main

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"

	"tap25/capture/capturetest"

	"golang.org/x/sys/unix"
)

// vlanID is the tag of the hosts' VLAN.
const vlanID = 7

// carried gives the hosts two more networks over the same wire: one of the kernel's VXLAN, and one behind an 802.1Q
// tag.
func (w *wire) carried() {
	w.t.Helper()
	for ns, far := range map[string]string{w.client: "25", w.server: "1"} {
		host := map[string]string{"25": "1", "1": "25"}[far]
		w.ip("-n " + ns + " link add vxlan8 type vxlan id 8 local 192.0.2." + host + " remote 192.0.2." + far +
			" dstport 4789 dev eth0")
		w.ip("-n " + ns + " link add vlan7 type veth peer name tagger7")
		w.ip("-n " + ns + " link set tagger7 up")
		for dev, nets := range map[string][2]string{"vlan7": {"198.51.100.", "2001:db8:7::"},
			"vxlan8": {"203.0.113.", "2001:db8:8::"}} {
			w.ip("-n " + ns + " addr add " + nets[0] + host + "/24 dev " + dev)
			w.ip("-n " + ns + " addr add " + nets[1] + host + "/64 nodad dev " + dev)
			w.command("ip netns exec " + ns + " ethtool -K " + dev + " tso off gso off gro off tx off")
			w.ip("-n " + ns + " link set " + dev + " up")
		}
		w.tagger(ns)
	}
	// else a tag would go beside the frame, as with a NIC that strips it
	for _, port := range []string{"port1", "port25", "port"} {
		w.command("ip netns exec " + w.hub + " ethtool -K " + port + " txvlan off rxvlan off")
	}
}

// tagger is the kernel's 8021q module, which not every kernel has: it tags what leaves by vlan7 and sends it on by
// eth0, and gives what comes there with the tag to vlan7.
func (w *wire) tagger(ns string) {
	w.t.Helper()
	var inside, outside *packetSocket
	err := w.in(ns, func() (err error) {
		if inside, err = openPacketSocket("tagger7"); err == nil {
			outside, err = openPacketSocket("eth0")
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		inside.each(func(frame []byte, tag int) {
			outside.send(slices.Concat(frame[:12], []byte{0x81, 0, 0, vlanID}, frame[12:]))
		})
	})
	running.Go(func() {
		outside.each(func(frame []byte, tag int) {
			if tag == vlanID {
				inside.send(frame)
			}
		})
	})
	w.t.Cleanup(func() {
		close(inside.ended)
		close(outside.ended)
		running.Wait()
		_ = errors.Join(unix.Close(inside.fd), unix.Close(outside.fd))
	})
}

// packetSocket sends and takes whole frames of one interface.
type packetSocket struct {
	fd    int
	to    unix.SockaddrLinklayer
	ended chan struct{}
}

func openPacketSocket(name string) (*packetSocket, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	const all = 0x0300 // ETH_P_ALL in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &packetSocket{fd: fd, to: unix.SockaddrLinklayer{Ifindex: ifi.Index, Protocol: all},
		ended: make(chan struct{})}
	return s, errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20000}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.Bind(fd, &s.to))
}

func (s *packetSocket) send(frame []byte) { _ = unix.Sendto(s.fd, frame, 0, &s.to) }

// each calls f with each frame and its VLAN tag, which the kernel takes out of the frame; -1: none. It ends with
// s.ended.
func (s *packetSocket) each(f func(frame []byte, tag int)) {
	frame, oob := make([]byte, 65536), make([]byte, 128)
	for {
		n, oobn, _, _, err := unix.Recvmsg(s.fd, frame, oob, 0)
		select {
		case <-s.ended:
			return
		default:
		}
		if err == nil {
			f(frame[:n], tagOf(oob[:oobn]))
		}
	}
}

// tagOf reads struct tpacket_auxdata of linux/if_packet.h.
func tagOf(oob []byte) int {
	const valid = 1 << 4 // TP_STATUS_VLAN_VALID
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return -1
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && len(m.Data) >= 20 && binary.NativeEndian.Uint32(m.Data)&valid != 0 {
			return int(binary.NativeEndian.Uint16(m.Data[16:]) & 0xfff)
		}
	}
	return -1
}

// dump runs tcpdump on the tap's own interface; the function ends it and gives the file. It sees the frames right
// behind the XDP program, where that passes them on (--inline).
func (w *wire) dump(path string) (stop func()) {
	w.t.Helper()
	return w.dumpAt(w.tap, "tap0", path, "tcp port 25 or udp port 4789 or (vlan and tcp port 25)")
}

// dumpAt runs tcpdump on an interface of a namespace, with a filter.
func (w *wire) dumpAt(ns, dev, path, filter string) (stop func()) {
	w.t.Helper()
	file, err := os.Create(path) // tcpdump, which gives up root where it is built to, need not
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	var diag capturetest.Buffer
	dump := exec.Command("ip", "netns", "exec", ns, "tcpdump", "-i", dev, "-n", "-s0", "-B", "262144",
		"--time-stamp-precision=nano", "-w", "-", filter)
	dump.Stdout, dump.Stderr = file, &diag
	if err := dump.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = dump.Process.Kill(); _ = dump.Wait() })
	await(w.t, "tcpdump", func() bool { return strings.Contains(diag.String(), "listening") })
	return func() {
		await(w.t, "tcpdump to have written all that it was given", func() bool {
			_ = dump.Process.Signal(syscall.SIGUSR1) // has it say where it stands
			said := dumpStands.FindAllStringSubmatch(diag.String(), -1)
			return len(said) > 0 && said[len(said)-1][1] == said[len(said)-1][2]
		})
		if err := dump.Process.Signal(syscall.SIGINT); err != nil {
			w.t.Fatal(err)
		}
		if err := dump.Wait(); err != nil || !strings.Contains(diag.String(), "\n0 packets dropped by kernel") {
			w.t.Fatalf("tcpdump: %v: %s", err, diag.String())
		}
	}
}

// dumpStands is what tcpdump answers to SIGUSR1; what was received and not captured waits in its buffer.
var dumpStands = regexp.MustCompile(`(\d+) packets? captured, (\d+) packets? received by filter`)
