// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode/decodetest"
)

const (
	testSrc  = "192.0.2.10"
	testDst  = "198.51.100.25"
	testSrc6 = "2001:db8::10"
	testDst6 = "2001:db8:ffff::25"
)

// joined is bytes before other bytes: headers that gopacket does not serialize.
func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

func serialized(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		ls...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

// ip puts a header of the family of src before a payload.
func ip(t testing.TB, src, dst string, protocol layers.IPProtocol, payload []byte) []byte {
	t.Helper()
	if netip.MustParseAddr(src).Is6() {
		return serialized(t, &layers.IPv6{Version: 6, NextHeader: protocol, HopLimit: 9, SrcIP: net.ParseIP(src),
			DstIP: net.ParseIP(dst)}, gopacket.Payload(payload))
	}
	return serialized(t, &layers.IPv4{Version: 4, TTL: 9, Protocol: protocol, SrcIP: net.ParseIP(src),
		DstIP: net.ParseIP(dst)}, gopacket.Payload(payload))
}

// tcp is a TCP header of two ports and a payload.
func tcp(src, dst int, payload string) []byte {
	return joined(be16(src), be16(dst), make([]byte, 8), []byte{5 << 4, 0x18, 0xff, 0xff, 0, 0, 0, 0}, []byte(payload))
}

func udp(dst int, payload []byte) []byte {
	return joined(be16(40000), be16(dst), be16(8+len(payload)), be16(0), payload)
}

func ethernet(etherType int, payload []byte) []byte {
	return joined([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, be16(etherType), payload)
}

// fragmented marks an IPv4 packet a fragment: more, offset in octets.
func fragmented(packet []byte, more bool, offset int) []byte {
	p := bytes.Clone(packet)
	field := offset / 8
	if more {
		field |= 0x2000
	}
	binary.BigEndian.PutUint16(p[6:], uint16(field))
	return p
}

func mail4(t testing.TB) []byte { return ip(t, testSrc, testDst, 6, tcp(40001, 25, "RSET\r\n")) }
func mail6(t testing.TB) []byte { return ip(t, testSrc6, testDst6, 6, tcp(25, 40001, "250 OK\r\n")) }

// A frame with its verdict, which follows from the RFCs cited in filter.c.
type namedFrame struct {
	name    string
	frame   []byte
	verdict Verdict
}

func frames(t testing.TB) []namedFrame {
	m4, m6 := mail4(t), mail6(t)
	web := ip(t, testSrc, testDst, 6, tcp(40001, 443, "x"))
	inner := ethernet(0x0800, m4)
	options := serialized(t, &layers.IPv4{Version: 4, TTL: 9, Protocol: 6, SrcIP: net.ParseIP(testSrc),
		DstIP: net.ParseIP(testDst),
		Options: []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: make([]byte, 5)},
			{OptionType: 0}}}, gopacket.Payload(tcp(40001, 25, "x")))
	vxlan := func(port int, payload []byte) []byte {
		return ip(t, "10.0.0.1", "10.0.0.2", 17, udp(port, joined([]byte{8, 0, 0, 0, 0, 0, 7, 0}, payload)))
	}
	gre := func(flags, proto int, rest ...[]byte) []byte {
		return ethernet(0x0800, ip(t, "10.0.0.1", "10.0.0.2", 47, joined(be16(flags), be16(proto), joined(rest...))))
	}
	chain := joined([]byte{43, 0, 0, 0, 0, 0, 0, 0}, []byte{60, 0, 0, 0, 0, 0, 0, 0},
		[]byte{51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		[]byte{6, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, tcp(1, 25, "x"))
	geneve := joined([]byte{2, 0}, be16(0x6558), make([]byte, 4), make([]byte, 8), inner)
	greOuter := gre(0, 0x6558, inner)[14:]
	list := []namedFrame{
		{"TCP to port 25", ethernet(0x0800, m4), Segment},
		{"TCP from port 25 over IPv6", ethernet(0x86dd, m6), Segment},
		{"TCP of other ports", ethernet(0x0800, web), OtherPort},
		{"UDP to port 25", ethernet(0x0800, ip(t, testSrc, testDst, 17, udp(25, []byte("x")))), NotTCP},
		{"ICMP", ethernet(0x0800, ip(t, testSrc, testDst, 1, make([]byte, 8))), NotTCP},
		{"ARP", ethernet(0x0806, make([]byte, 28)), NotIP},
		{"spanning tree", joined(make([]byte, 12), be16(38), []byte{0x42, 0x42, 3}, make([]byte, 43)), NotIP},
		{"SNAP", joined(make([]byte, 12), be16(8+len(m4)), []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, m4), Undecided},
		{"one tag", ethernet(0x8100, joined([]byte{0, 7, 8, 0}, m4)), Segment},
		{"IPv4 options", ethernet(0x0800, options), Segment},
		{"IPv6 extension headers", ethernet(0x86dd, ip(t, testSrc6, testDst6, 0, chain)), Segment},
		{"IPv6 extension headers of 6 kB, and TCP in the second buffer",
			ethernet(0x86dd, ip(t, testSrc6, testDst6, 60, joined(
				[]byte{60, 255}, make([]byte, 2046), []byte{60, 255}, make([]byte, 2046), []byte{6, 255},
				make([]byte, 2046), tcp(1, 25, "x")))), Segment},
		{"two MPLS labels", ethernet(0x8847, joined([]byte{0, 1, 0, 9, 0, 2, 1, 9}, m4)), Segment},
		{"MPLS, Ethernet pseudowire with control word", ethernet(0x8847, joined([]byte{0, 2, 1, 9, 0, 0, 0, 0}, inner)),
			Segment},
		{"PPPoE", ethernet(0x8864, joined([]byte{0x11, 0, 0, 1}, be16(2+len(m6)), be16(0x57), m6)), Segment},
		{"PPPoE echo", ethernet(0x8864, joined([]byte{0x11, 0, 0, 1}, be16(20), be16(0xc021), make([]byte, 18))),
			Undecided},
		{"GRE", gre(0, 0x0800, m4), Segment},
		{"GRE with checksum, key and sequence number", gre(0xb000, 0x86dd, make([]byte, 12), m6), Segment},
		{"GRE of other ports", gre(0, 0x0800, web), OtherPort},
		{"ERSPAN I", gre(0, 0x88be, inner), Segment},
		{"ERSPAN II", gre(0x1000, 0x88be, make([]byte, 4), []byte{0x10, 0, 0, 0, 0, 0, 0, 0}, inner), Segment},
		{"ERSPAN III", gre(0x1000, 0x22eb, make([]byte, 4), []byte{0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, inner),
			Segment},
		{"ERSPAN III with platform subheader", gre(0x1000, 0x22eb, make([]byte, 4),
			[]byte{0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 8), inner), Segment},
		{"VXLAN", ethernet(0x0800, vxlan(4789, inner)), Segment},
		{"VXLAN on Linux's old port", ethernet(0x0800, vxlan(8472, inner)), Segment},
		{"Geneve with options", ethernet(0x86dd, ip(t, testSrc6, testDst6, 17, udp(6081, geneve))), Segment},
		{"IP in IP", ethernet(0x0800, ip(t, "10.0.0.1", "10.0.0.2", 4, m4)), Segment},
		{"IPv6 in IPv4", ethernet(0x0800, ip(t, "10.0.0.1", "10.0.0.2", 41, m6)), Segment},
		{"first fragment of TCP", ethernet(0x0800, fragmented(m4, true, 0)), Fragment},
		{"later fragment of TCP", ethernet(0x0800, fragmented(m4, false, 1480)), Fragment},
		{"first fragment of ICMP", ethernet(0x0800, fragmented(ip(t, testSrc, testDst, 1, make([]byte, 8)), true, 0)),
			NotTCP},
		{"later fragment of ICMP", ethernet(0x0800,
			fragmented(ip(t, testSrc, testDst, 1, make([]byte, 8)), false, 1480)), NotTCP},
		{"IPv6 fragment of TCP", ethernet(0x86dd,
			ip(t, testSrc6, testDst6, 44, joined([]byte{6, 0, 0, 1, 0, 0, 0, 9}, tcp(1, 25, "x")))), Fragment},
		{"IPv6 atomic fragment", ethernet(0x86dd,
			ip(t, testSrc6, testDst6, 44, joined([]byte{6, 0, 0, 0, 0, 0, 0, 9}, tcp(1, 25, "x")))), Segment},
		{"first fragment of a tunnel", ethernet(0x0800, fragmented(greOuter, true, 0)), Fragment},
		{"later fragment of a tunnel whose first was seen", ethernet(0x0800, fragmented(greOuter, false, 1480)),
			Fragment},
		{"later fragment of a tunnel whose first was not seen",
			ethernet(0x0800, fragmented(ip(t, "10.0.0.8", "10.0.0.9", 47, make([]byte, 64)), false, 1480)), Undecided},
		{"IPv4 header too short", ethernet(0x0800, append([]byte{0x44}, m4[1:]...)), Malformed},
		{"more headers than are walked", ethernet(0x8100,
			joined(bytes.Repeat([]byte{0, 7, 0x81, 0}, 40), []byte{0, 7, 8, 0}, m4)), Undecided},
	}
	list = append(list, tunnels(t, decodetest.Wrap(0x0800, m4), " with IPv4")...)
	return append(list, tunnels(t, decodetest.Wrap(0x86dd, m6), " with IPv6")...)
}

func TestFilter_EveryFrameGetsItsVerdict(t *testing.T) {
	f := load(t, Config{})
	for _, c := range frames(t) {
		t.Run(c.name, func(t *testing.T) {
			before := stats(t, f)
			skip(f.Ring(0))
			if got := verdict(t, f, c.frame); got != c.verdict {
				t.Fatalf("verdict %s, want %s", got, c.verdict)
			}
			after := stats(t, f)
			if added(before, after) != c.verdict.Kept() {
				t.Errorf("delivered: %v, want %v", !c.verdict.Kept(), c.verdict.Kept())
			}
			if !c.verdict.Kept() {
				return
			}
			var got Frame
			if !f.Ring(0).Next(&got) {
				t.Fatal("no frame in the ring")
			}
			if !bytes.Equal(got.Data, c.frame) || got.Length != len(c.frame) || got.Verdict != c.verdict ||
				got.Nanos == 0 {
				t.Errorf("the ring brought another frame: %d of %d bytes, verdict %s", len(got.Data), got.Length,
					got.Verdict)
			}
		})
	}
}

func added(before, after Stats) bool { return after.Delivered() == before.Delivered()+1 }

func TestFilter_TagsOfAnyDepthUpToTheBound(t *testing.T) {
	f := load(t, Config{})
	for n := range 40 {
		frame := ethernet(0x88a8, joined(bytes.Repeat([]byte{0, 7, 0x81, 0}, n), []byte{0, 7, 8, 0}, mail4(t)))
		want := Segment
		if n+4 > 32 { // Ethernet, the tags, IPv4, TCP
			want = Undecided
		}
		if got := verdict(t, f, frame); got != want {
			t.Errorf("%d tags: %s, want %s", n+1, got, want)
		}
	}
}

func TestFilter_EveryTruncationIsCountedOrKept(t *testing.T) {
	f := load(t, Config{})
	deep := ethernet(0x8100, joined([]byte{0, 7}, be16(0x0800), ip(t, "10.0.0.1", "10.0.0.2", 47,
		joined(be16(0x1000), be16(0x88be), make([]byte, 4), []byte{0x10, 0, 0, 0, 0, 0, 0, 0},
			ethernet(0x86dd, mail6(t))))))
	ports := bytes.LastIndex(deep, be16(25)) + 4
	for n := 14; n <= len(deep); n++ {
		want := Truncated
		if n >= ports {
			want = Segment
		}
		if got := verdict(t, f, deep[:n]); got != want {
			t.Errorf("first %d bytes: %s, want %s", n, got, want)
		}
	}
}

func TestFilter_BothDirectionsAndFragmentsMeetInOneWorker(t *testing.T) {
	const workers = 7
	f := load(t, Config{Workers: workers, RingBytes: 1 << 20})
	used := 0
	for i := range 200 {
		a, b := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String(),
			netip.AddrFrom4([4]byte{198, 51, 100, byte(i * 7)}).String()
		there, back := ip(t, a, b, 6, tcp(40001, 25, "NOOP\r\n")), ip(t, b, a, 6, tcp(25, 40001, "250 OK\r\n"))
		tunnel := ip(t, "10.0.0.1", "10.0.0.2", 47, joined(be16(0), be16(0x0800), there))
		binary.BigEndian.PutUint16(tunnel[4:], uint16(i))
		for _, frame := range [][]byte{
			ethernet(0x0800, there), ethernet(0x0800, back),
			ethernet(0x0800, fragmented(there, true, 0)), ethernet(0x0800, fragmented(there, false, 800)),
			ethernet(0x0800, tunnel), ethernet(0x0800, fragmented(tunnel, true, 0)),
			ethernet(0x0800, fragmented(tunnel, false, 800)),
		} {
			run(t, f, frame)
		}
		for w := range workers {
			var got Frame
			n := 0
			for f.Ring(w).Next(&got) {
				n++
			}
			if n != 0 && n != 7 {
				t.Errorf("worker %d has %d of the connection's 7 frames", w, n)
			}
			used |= min(n, 1) << w
		}
	}
	if used != 1<<workers-1 {
		t.Errorf("not every worker was used: %b", used)
	}
}

func TestFilter_SizesOfFrames(t *testing.T) {
	f := load(t, Config{RingBytes: 1 << 20})
	sizes := []int{767, 768, 769, 1514, 1536, 1537, 3500, 9000, 9216, 9217, 60000}
	for size := range 190 { // the program copies short frames by itself, to 176 octets
		if size >= 38 { // the ports are there
			sizes = append(sizes, size)
		}
	}
	for _, size := range sizes {
		frame := ethernet(0x0800, joined(mail4(t), make([]byte, size)))[:size]
		for i := 38; i < size; i++ {
			frame[i] = byte(i * 7)
		}
		if got := verdict(t, f, frame); got != Segment {
			t.Fatalf("%d bytes: %s", size, got)
		}
		var got Frame
		if !f.Ring(0).Next(&got) || !bytes.Equal(got.Data, frame) || got.Length != size {
			t.Errorf("a frame of %d bytes came out wrong", size)
		}
	}
}

func TestFilter_LongestFramesAreCutAndCounted(t *testing.T) {
	f := load(t, Config{RingBytes: 1 << 20})
	for _, size := range []int{65535, 65536, 70000} {
		frame := ethernet(0x0800, joined(mail4(t), make([]byte, size)))[:size]
		frame[65534] = 7
		run(t, f, frame)
		var got Frame
		want := min(size, 65535)
		if !f.Ring(0).Next(&got) || !bytes.Equal(got.Data, frame[:want]) || got.Length != size {
			t.Errorf("a frame of %d octets: %d of %d", size, len(got.Data), got.Length)
		}
	}
	if s := stats(t, f); s.Rings[0].Cut != 2 || s.Rings[0].Delivered != 3 || s.Rings[0].Bytes != 65535+65536+70000 {
		t.Errorf("%+v", s.Rings[0])
	}
}

// TestFilter_LossesAreToldInOrder numbers its frames: what a frame says was lost
// before it must be what is missing before it.
func TestFilter_LossesAreToldInOrder(t *testing.T) {
	f := load(t, Config{RingBytes: 4096})
	next, sent := 0, 0
	read := func() {
		var got Frame
		for f.Ring(0).Next(&got) {
			number := int(binary.BigEndian.Uint32(got.Data[54:]))
			if number != next+int(got.Lost) {
				t.Fatalf("frame %d after %d, %d lost", number, next-1, got.Lost)
			}
			next = number + 1
		}
		next += int(got.Lost)
		if next != sent {
			t.Fatalf("%d frames read or lost of %d sent", next, sent)
		}
	}
	for batch := range 60 {
		for range batch {
			run(t, f, ethernet(0x0800, ip(t, testSrc, testDst, 6,
				tcp(40001, 25, string(binary.BigEndian.AppendUint32(nil, uint32(sent)))))))
			sent++
		}
		read()
	}
	if s := stats(t, f); s.Full() == 0 {
		t.Error("nothing was lost")
	}
}

func TestFilter_FullRingIsCounted(t *testing.T) {
	f := load(t, Config{RingBytes: 4096})
	const n = 1000
	for range n {
		run(t, f, ethernet(0x0800, mail4(t)))
	}
	s := stats(t, f)
	if s.Delivered() == 0 || s.Full() == 0 || s.Dropped() != 0 || s.Delivered()+s.Full() != n {
		t.Errorf("%d delivered + %d ring full + %d dropped, want %d in all", s.Delivered(), s.Full(), s.Dropped(), n)
	}
	if r := s.Buffers[0]; r.Capacity != 4096 || r.Used > 4096 || r.Used < 2048 {
		t.Errorf("a full ring of 4096 bytes has %d of %d in use", r.Used, r.Capacity)
	}
	var got Frame
	var read uint64
	for f.Ring(0).Next(&got) {
		read++
	}
	if read != s.Delivered() {
		t.Errorf("read %d frames of %d delivered", read, s.Delivered())
	}
	if r := stats(t, f).Buffers[0]; r.Used != 0 {
		t.Errorf("an empty ring has %d bytes in use", r.Used)
	}
}

func TestFilter_InlinePassesEverything(t *testing.T) {
	const drop, pass = 1, 2
	for _, inline := range []bool{false, true} {
		f := load(t, Config{Inline: inline})
		want := map[bool]uint32{false: drop, true: pass}[inline]
		for _, c := range frames(t) {
			if got := run(t, f, c.frame); got != want {
				t.Errorf("inline %v, %s: action %d, want %d", inline, c.name, got, want)
			}
		}
	}
}

func TestFilter_PortsChangeWhileRunning(t *testing.T) {
	f := load(t, Config{Ports: []uint16{25, 2525}})
	for _, step := range []struct {
		ports []uint16
		port  int
		want  Verdict
	}{{nil, 25, Segment}, {nil, 2525, OtherPort}, {[]uint16{587, 65535}, 25, OtherPort},
		{[]uint16{587, 65535}, 65535, Segment}} {
		if err := f.SetPorts(step.ports); err != nil {
			t.Fatal(err)
		}
		if got := verdict(t, f, ethernet(0x0800,
			ip(t, testSrc, testDst, 6, tcp(1, step.port, "x")))); got != step.want {
			t.Errorf("ports %v: a segment to port %d is %s, want %s", step.ports, step.port, got, step.want)
		}
	}
}
