package hostile

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
)

// What stands around the segments: fragments, tunnels, tags.
var packetShapes = []Shape{
	{"fragments of eight octets, forward", Small, fragments(forward, 8, 8000)},
	{"fragments of eight octets, backward", Small, fragments(backward, 8, 8000)},
	{"fragments of eight octets, at random", Small, fragments(shuffled, 8, 8000)},
	{"fragments of eight octets, never complete", Small, neverComplete(shuffled)},
	{"fragments with gaps of eight octets, backward", Small, gapFragments},
	{"fragments that overlap", Small, overlappingFragments},
	{"datagrams of one fragment each", Small, loneFragments(0)},
	{"datagrams of one fragment each, a second a frame", Small, loneFragments(time.Second)},
	{"datagrams of one fragment each, in IPv6", Small, loneFragments6},
	{"datagrams of two fragments", Small, fragments(forward, 720, 2)},
	{"twenty-eight tunnels", Small, wrapped(func(p []byte) []byte { return ipFrame(nested(p, 28)) })},
	{"more tunnels than are read", Small, wrapped(func(p []byte) []byte { return ipFrame(nested(p, 60)) })},
	{"tunnels of all kinds in each other", Small, wrapped(func(p []byte) []byte {
		for range 8 {
			p = gre(vxlan(ipFrame(nested(p, 1))))
		}
		return ipFrame(p)
	})},
	{"sixteen VLAN tags", Small, wrapped(func(p []byte) []byte { return tagged(p, true, 16) })},
	{"sixteen MPLS labels", Small, wrapped(func(p []byte) []byte { return tagged(p, false, 16) })},
	{"fragments in a tunnel", Small, func(w *Wire) { fragmentsIn(w, forward, 8, 1000, gre) }},
	{"the same ports in two networks", Small, twoNetworks},
	{"the same ports in a network for each session", Small, networks(func(w *Wire, wrap func([]byte) []byte, i uint32) {
		b := &session{w: w, ends: [2]netip.AddrPort{client(0), server}, wrap: wrap}
		b.next = [2]uint32{i * 50_000_000, i * 70_000_000}
		b.open()
		b.server("220 x\r\n")
		b.client("EHLO x\r\n")
	})},
	{"the same ports in a network for each SYN", Small, networks(func(w *Wire, wrap func([]byte) []byte, i uint32) {
		w.frame(wrap(Segment{Src: client(0), Dst: server, Flags: SYN, Seq: i * 50_000_000}.Packet()))
	})},
	{"the same ports in a network for each segment", Small, networks(func(w *Wire, wrap func([]byte) []byte, i uint32) {
		w.frame(wrap(Segment{
			Src: client(0), Dst: server, Flags: ACK, Seq: i * 50_000_000, Ack: i * 70_000_000, Payload: "NOOP\r\n",
		}.Packet()))
	})},
	{"one connection in a network for each segment", Small, networks(func(w *Wire, wrap func([]byte) []byte, i uint32) {
		w.frame(wrap(Segment{Src: client(0), Dst: server, Flags: ACK, Seq: 1 + 6*i, Ack: 1,
			Payload: "NOOP\r\n"}.Packet()))
	})},
	{"one handshake in a network for each session", Small, networks(func(w *Wire, wrap func([]byte) []byte, _ uint32) {
		b := &session{w: w, ends: [2]netip.AddrPort{client(0), server}, wrap: wrap}
		b.open()
		b.server("220 x\r\n")
		b.client("EHLO x\r\n")
		b.server("250 x\r\n")
		b.client("MAIL FROM:<a@a.example>\r\n")
	})},
	{"fragments of one identification in a network each", Small,
		networks(func(w *Wire, wrap func([]byte) []byte, _ uint32) {
			text := whole(48)
			w.frame(wrap(piece(client(0).Addr(), 7, 0, text[:24], true)))
			w.frame(wrap(piece(client(0).Addr(), 7, 24, text[24:], false)))
		})},
}

// networks does something in each of many networks: two VLAN tags name each.
func networks(each func(w *Wire, wrap func([]byte) []byte, i uint32)) func(*Wire) {
	return func(w *Wire) {
		for i := uint32(0); w.room(); i++ {
			outer, inner := uint16(1+i/4000), uint16(1+i%4000)
			each(w, func(p []byte) []byte {
				b := binary.BigEndian.AppendUint16(nil, outer)
				b = binary.BigEndian.AppendUint16(b, etherVLAN)
				b = binary.BigEndian.AppendUint16(b, inner)
				b = binary.BigEndian.AppendUint16(b, etherIPv4)
				return ethernet(etherVLAN, append(b, p...))
			}, i)
		}
	}
}

// whole is a segment of as many octets.
func whole(size int) []byte {
	return Segment{Src: client(0), Dst: server, Flags: ACK, Seq: 1, Ack: 1,
		Payload: strings.Repeat("x", size-20)}.Packet()[20:]
}

// fragments sends datagrams of so many fragments of a size each.
func fragments(order func(*Wire, int) []int, size, number int) func(*Wire) {
	return func(w *Wire) { fragmentsIn(w, order, size, number, func(p []byte) []byte { return p }) }
}

func fragmentsIn(w *Wire, order func(*Wire, int) []int, size, number int, tunnel func([]byte) []byte) {
	number = min(number, max(w.want/2, 2))
	text := whole(size * number)
	for id := 0; w.room(); id++ {
		for _, i := range order(w, number) {
			w.frame(ipFrame(tunnel(piece(client(0).Addr(), id, size*i, text[size*i:size*(i+1)], i < number-1))))
		}
	}
}

// piece is one fragment.
func piece(src netip.Addr, id, offset int, body []byte, more bool) []byte {
	field := uint16(offset / 8)
	if more {
		field |= 0x2000
	}
	return IPv4(src, server.Addr(), protoTCP, uint16(id), field, body)
}

func neverComplete(order func(*Wire, int) []int) func(*Wire) {
	return func(w *Wire) {
		number := min(8000, max(w.want/2, 2))
		text := whole(8 * number)
		for id := 0; w.room(); id++ {
			for _, i := range order(w, number) {
				w.frame(ipFrame(piece(client(0).Addr(), id, 8*i, text[8*i:8*i+8], true)))
			}
		}
	}
}

func gapFragments(w *Wire) {
	number := min(4000, max(w.want/2, 2))
	text := whole(8 * 2 * number)
	for id := 0; w.room(); id++ {
		for i := number - 1; i >= 0; i-- {
			w.frame(ipFrame(piece(client(0).Addr(), id, 16*i, text[16*i:16*i+8], true)))
		}
	}
}

func overlappingFragments(w *Wire) {
	text := whole(16000)
	for i := 0; w.room(); i++ {
		at := i * 8 % 8000
		w.frame(ipFrame(piece(client(0).Addr(), i/1000, at, text[at:at+1200], true)))
	}
}

func loneFragments(pause time.Duration) func(*Wire) {
	return func(w *Wire) {
		text := whole(80)
		for i := 0; w.room(); i++ {
			w.wait(pause)
			w.frame(ipFrame(piece(client(i>>16).Addr(), i, i%3*8, text[:64], true)))
		}
	}
}

func loneFragments6(w *Wire) {
	text := whole(80)
	for i := 0; w.room(); i++ {
		b := make([]byte, 48)
		b[0], b[6], b[7] = 6<<4, 44, 64
		binary.BigEndian.PutUint16(b[4:], uint16(8+64))
		copy(b[8:], []byte{0x20, 1, 0xd, 0xb8})
		copy(b[24:], []byte{0x20, 1, 0xd, 0xb8, 15: 25})
		b[40], b[43] = protoTCP, 1 // more to come
		binary.BigEndian.PutUint32(b[44:], uint32(i))
		w.frame(ethernet(0x86dd, append(b, text[:64]...)))
	}
}

// wrapped is a session of ordinary commands in whatever wraps its packets.
func wrapped(wrap func([]byte) []byte) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0)
		s.wrap = wrap
		s.begin()
		for w.room() {
			s.client("NOOP\r\n")
			s.server("250 ok\r\n")
		}
	}
}

// twoNetworks has two tenants with the same addresses and ports, and one that begins anew again and again.
func twoNetworks(w *Wire) {
	vlan := func(id byte) func([]byte) []byte {
		return func(p []byte) []byte {
			return ethernet(etherVLAN, append([]byte{0, id, etherIPv4 >> 8, etherIPv4 & 0xff}, p...))
		}
	}
	a, n := w.session(0), uint32(0)
	a.wrap = vlan(10)
	a.begin()
	for w.room() {
		n += 50_000_000
		b := &session{w: w, ends: a.ends, next: [2]uint32{900_000_000 + n, 1_700_000_000 + n}, wrap: vlan(20)}
		b.open()
		b.server("220 x\r\n")
		a.client("NOOP\r\n")
		a.server("250 ok\r\n")
	}
}
