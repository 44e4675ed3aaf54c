package decodetest

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func be32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// Tag puts a tag in front that is named by an EtherType, has these octets, and then the EtherType of what follows.
func (w Wrapped) Tag(etherType uint16, octets ...byte) Wrapped {
	return Wrapped{etherType, join(octets, be16(int(w.EtherType)), w.Data)}
}

// VNTag puts Cisco's VN-tag in front: destination and source interface.
func (w Wrapped) VNTag() Wrapped { return w.Tag(0x8926, 0x80, 5, 0, 6) }

// ETag puts the E-tag of 802.1BR in front.
func (w Wrapped) ETag() Wrapped { return w.Tag(0x893f, 0, 1, 0, 2, 0, 0) }

// CiscoMetadata puts Cisco's metadata in front: version, length, option, security group.
func (w Wrapped) CiscoMetadata() Wrapped { return w.Tag(0x8909, 1, 1, 0, 1, 0, 77) }

// MACsec puts a SecTAG without encryption in front, with the identifier of its channel or without, and the check value
// after the packet.
func (w Wrapped) MACsec(channel bool) Wrapped {
	tag := []byte{0, 0, 0, 0, 0, 9}
	if channel {
		tag = append([]byte{0x20}, append(tag[1:], 2, 0, 0, 0, 0, 1, 0, 1)...)
	}
	w = w.Tag(0x88e5, tag...)
	w.Data = append(w.Data, make([]byte, 16)...)
	return w
}

// AristaTime puts the timestamp of Arista's switches in front, of 8 octets or 6.
func (w Wrapped) AristaTime(short bool) Wrapped {
	if short {
		return w.Tag(0xd28b, 0, 1, 1, 0x20, 1, 2, 3, 4, 5, 6)
	}
	return w.Tag(0xd28b, 0, 1, 0, 0x10, 1, 2, 3, 4, 5, 6, 7, 8)
}

// PBB puts the I-tag of 802.1ah in front of the frame.
func (w Wrapped) PBB(t testing.TB, service int) Wrapped {
	return Wrapped{0x88e7, join(be32(service), w.Ethernet(t))}
}

// TRILL puts a TRILL header with options of 4*words octets in front of the frame.
func (w Wrapped) TRILL(t testing.TB, words int) Wrapped {
	return Wrapped{0x22f3, join(be16(words<<6|9), be16(1), be16(2), make([]byte, 4*words), w.Ethernet(t))}
}

// NSH puts a network service header with the context of type 1 in front.
func (w Wrapped) NSH() Wrapped {
	next := map[uint16]byte{0x0800: 1, 0x86dd: 2, 0x6558: 3, 0x894f: 4, 0x8847: 5}[w.EtherType]
	return Wrapped{0x894f, join([]byte{0x0f, 0xc6, 1, next, 0, 0, 1, 255}, make([]byte, 16), w.Data)}
}

// PPP is IP in PPP, with address and control in front or without.
func (w Wrapped) PPP(framed bool) []byte {
	protocol := map[uint16]int{0x0800: 0x21, 0x86dd: 0x57, 0x8847: 0x281}[w.EtherType]
	if framed {
		return join([]byte{0xff, 3}, be16(protocol), w.Data)
	}
	return join(be16(protocol), w.Data)
}

// Datagram puts outer IP and UDP headers with these ports in front of data.
func Datagram(t testing.TB, v6 bool, src, dst uint16, data []byte) Wrapped {
	from, to := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("10.1.1.2")
	if v6 {
		from, to = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	}
	return ipLayer(t, from, to, layers.IPProtocolUDP, 64, 79, nil,
		&layers.UDP{SrcPort: layers.UDPPort(src), DstPort: layers.UDPPort(dst)}, gopacket.Payload(data))
}

// GTP puts w after outer IP, UDP and GTP-U headers. With extensions it has a sequence number and those extension
// headers, each the type and the octets after the length.
func (w Wrapped) GTP(t testing.TB, v6 bool, tunnel int, extensions ...[]byte) Wrapped {
	flags, rest := byte(0x30), []byte(nil)
	if extensions != nil {
		flags, rest = 0x36, []byte{0, 1, 0}
		for _, e := range extensions {
			rest = join(rest, e[:1], []byte{byte(len(e)+1) / 4}, e[1:])
		}
		rest = append(rest, 0)
	}
	rest = append(rest, w.Data...)
	return Datagram(t, v6, 2152, 2152, join([]byte{flags, 255}, be16(len(rest)), be32(tunnel), rest))
}

// L2TP puts w after outer IP, UDP and L2TP version 2 headers; flags say which fields there are.
func (w Wrapped) L2TP(t testing.TB, v6 bool, flags int, ids int) Wrapped {
	head := be16(flags | 2)
	if flags&0x4000 != 0 {
		head = append(head, 0, 0)
	}
	head = join(head, be32(ids))
	if flags&0x0800 != 0 {
		head = append(head, 0, 1, 0, 1)
	}
	if flags&0x0200 != 0 {
		head = append(head, 0, 3, 0, 0, 0)
	}
	b := join(head, w.PPP(flags&0x0800 != 0))
	if flags&0x4000 != 0 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	return Datagram(t, v6, 1701, 1701, b)
}

// L2TPv3 puts the Ethernet frame of w after an L2TP version 3 header with a cookie of that length and a sublayer or
// none, in IP or in UDP.
func (w Wrapped) L2TPv3(t testing.TB, v6, udp bool, session, cookie int, sublayer bool) Wrapped {
	b := join(be32(session), make([]byte, cookie))
	for i := range cookie {
		b[4+i] = 0xa5
	}
	if sublayer {
		b = append(b, 0x40, 0, 0, 7)
	}
	b = append(b, w.Ethernet(t)...)
	if udp {
		return Datagram(t, v6, 50000, 1701, join([]byte{0, 3, 0, 0}, b))
	}
	return Over(t, v6, 115, b)
}

// PPTP puts w after outer IP and the GRE of PPTP, which acknowledges or does not.
func (w Wrapped) PPTP(t testing.TB, call int, acknowledges bool) Wrapped {
	ppp := w.PPP(true)
	flags, rest := 0x3001, be32(5)
	if acknowledges {
		flags, rest = 0x3081, append(rest, be32(4)...)
	}
	return Over(t, false, 47, join(be16(flags), be16(0x880b), be16(len(ppp)), be16(call), rest, ppp))
}

// GUE puts w after outer IP, UDP and GUE headers of version 0 with extensions of 4*words octets.
func (w Wrapped) GUE(t testing.TB, v6 bool, words int) Wrapped {
	proto := map[uint16]byte{0x0800: 4, 0x86dd: 41, 0x6558: 143, 0x8847: 137}[w.EtherType]
	return Datagram(t, v6, 50000, 6080, join([]byte{byte(words), proto, 0, 0}, make([]byte, 4*words), w.Data))
}

// Teredo puts w, which is IPv6, after outer IPv4 and UDP headers, with where it came from and who says so in front.
func (w Wrapped) Teredo(t testing.TB, authenticated, origin bool) Wrapped {
	var head []byte
	if authenticated {
		head = append(head, 0, 1, 2, 1, 'i', 'd', 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	if origin {
		head = append(head, 0, 0, 1, 2, 3, 4, 5, 6)
	}
	return Datagram(t, false, 3544, 50000, append(head, w.Data...))
}

// TZSP puts the frame of w after outer IP, UDP and TZSP headers with some fields.
func (w Wrapped) TZSP(t testing.TB, v6 bool) Wrapped {
	return Datagram(t, v6, 50000, 37008, join([]byte{1, 0, 0, 1, 0, 10, 1, 200, 0, 18, 1, 6, 1}, w.Ethernet(t)))
}

// WiFi is an 802.11 data frame to the access point with QoS or without, or between two access points.
func (w Wrapped) WiFi(qos, bridge bool) []byte {
	h := join([]byte{8, 1, 0, 0}, make([]byte, 20))
	if bridge {
		h[1] = 3
		h = append(h, 2, 0, 0, 0, 0, 4)
	}
	if qos {
		h[0] = 0x88
		h = append(h, 0, 0)
	}
	return join(h, []byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(int(w.EtherType)), w.Data)
}

// Radiotap puts a radiotap header in front of an 802.11 frame: only what is needed, or a clock, flags and more masks.
func Radiotap(frame []byte, fields bool) []byte {
	if !fields {
		return join([]byte{0, 0, 8, 0, 0, 0, 0, 0}, frame)
	}
	h := []byte{0, 0, 26, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0}
	return join(h, make([]byte, 8), []byte{0x10, 0}, frame)
}

// ERF puts Endace's header of a type in front of a record's octets, with extension headers, and pads it to 8.
func ERF(kind byte, extensions int, record []byte) []byte {
	wire := len(record)
	if kind == 2 {
		record = append([]byte{0, 0}, record...)
	}
	size := 16 + 8*extensions + len(record)
	padding := (8 - size%8) % 8
	h := join(make([]byte, 8), []byte{kind, 4}, be16(size+padding), be16(0), be16(wire))
	for i := range extensions {
		h[8] |= 0x80
		e := make([]byte, 8)
		if i < extensions-1 {
			e[0] = 0x80
		}
		h = append(h, e...)
	}
	return join(h, record, make([]byte, padding))
}

// NFLOG puts the header of Linux' log in front of an IP packet: a prefix, and the packet, in an order of octets.
func NFLOG(order binary.AppendByteOrder, packet []byte) []byte {
	field := func(kind uint16, body []byte) []byte {
		b := order.AppendUint16(order.AppendUint16(nil, uint16(4+len(body))), kind)
		return join(b, body, make([]byte, (4-len(body)%4)%4))
	}
	return join([]byte{2, 0, 0, 7}, field(10, []byte("x\x00")), field(9, packet))
}

// PKTAP puts Darwin's header in front of a frame of a link type.
func PKTAP(link uint32, frame []byte) []byte {
	h := make([]byte, 108)
	binary.LittleEndian.PutUint32(h, 108)
	binary.LittleEndian.PutUint32(h[4:], 1)
	binary.LittleEndian.PutUint32(h[8:], link)
	return append(h, frame...)
}
