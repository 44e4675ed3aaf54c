// Package decodetest builds frames for tests, from the inside out: a TCP
// Segment in an IP packet, then each wrapping in turn, then the link header.
//
//	decodetest.Segment{Payload: []byte("QUIT\r\n")}.IP(t).VLAN(t, 0x8100, 7).Ethernet(t)
//
// Lengths and checksums are right; a test that wants others changes the octets.
package decodetest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// LINKTYPE_ numbers, and the ends of a Segment that names none.
const (
	LinkEthernet = 1   // LINKTYPE_ETHERNET
	LinkRaw      = 101 // LINKTYPE_RAW

	Client  = "192.0.2.10:40001"
	Server  = "198.51.100.25:25"
	Client6 = "[2001:db8::10]:40001"
	Server6 = "[2001:db8:ffff::25]:25"
)

// The flags of a TCP header, as decode has them: its tests import this package.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
	urg
)

// Epoch is the time of a test's first frame.
var Epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Segment describes a TCP segment in its IP packet. Zero values get a default.
type Segment struct {
	Src, Dst    string // "address:port"; default Client, Server
	Seq, Ack    uint32
	Flags       uint8  // default ACK
	NoFlags     bool   // the flags are 0
	Window      uint16 // default 65535
	NoWindow    bool   // the window is 0
	Urgent      uint16
	Payload     []byte
	ID          uint16
	TTL         uint8 // default 64
	Options     []layers.TCPOption
	IPv4Options []layers.IPv4Option
}

// Wrapped is a packet, or what wraps one, and the EtherType that announces it.
type Wrapped struct {
	EtherType uint16
	Data      []byte
}

// Wrap makes a Wrapped of any octets.
func Wrap(etherType uint16, data []byte) Wrapped { return Wrapped{etherType, data} }

func serialize(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		ls...); err != nil {
		t.Fatalf("serialize frame: %v", err)
	}
	return append([]byte(nil), b.Bytes()...)
}

func addrPort(t testing.TB, s, otherwise string) netip.AddrPort {
	t.Helper()
	if s == "" {
		s = otherwise
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// IP gives the segment in its IPv4 or IPv6 packet, lengths and checksums right.
func (s Segment) IP(t testing.TB) Wrapped {
	t.Helper()
	src, dst := addrPort(t, s.Src, Client), addrPort(t, s.Dst, Server)
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: s.Seq, Ack: s.Ack,
		Window: s.Window, Urgent: s.Urgent, Options: s.Options,
		FIN: s.Flags&fin != 0, SYN: s.Flags&syn != 0, RST: s.Flags&rst != 0,
		PSH: s.Flags&psh != 0, ACK: s.Flags&ack != 0 || s.Flags == 0 && !s.NoFlags, URG: s.Flags&urg != 0,
	}
	if s.Window == 0 && !s.NoWindow {
		tcp.Window = 65535
	}
	return ipLayer(t, src.Addr(), dst.Addr(), layers.IPProtocolTCP, s.TTL, s.ID, s.IPv4Options, tcp,
		gopacket.Payload(s.Payload))
}

// ipLayer puts layers after an IP header of the addresses' family.
func ipLayer(t testing.TB, src, dst netip.Addr, proto layers.IPProtocol, ttl uint8, id uint16, opts []layers.IPv4Option,
	inner ...gopacket.SerializableLayer) Wrapped {
	t.Helper()
	if ttl == 0 {
		ttl = 64
	}
	var network gopacket.SerializableLayer
	var layer gopacket.NetworkLayer
	etherType := uint16(0x0800)
	if src.Is4() {
		ip := &layers.IPv4{Version: 4, TTL: ttl, Id: id, Protocol: proto, SrcIP: net.IP(src.AsSlice()),
			DstIP: net.IP(dst.AsSlice()), Options: opts}
		network, layer = ip, ip
	} else {
		ip := &layers.IPv6{Version: 6, HopLimit: ttl, NextHeader: proto, SrcIP: net.IP(src.AsSlice()),
			DstIP: net.IP(dst.AsSlice())}
		network, layer = ip, ip
		etherType = 0x86dd
	}
	for _, l := range inner {
		if c, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := c.SetNetworkLayerForChecksum(layer); err != nil {
				t.Fatal(err)
			}
		}
	}
	return Wrapped{etherType, serialize(t, append([]gopacket.SerializableLayer{network}, inner...)...)}
}

// Ethernet gives the frame with an Ethernet II header.
func (w Wrapped) Ethernet(t testing.TB) []byte {
	return serialize(t, &layers.Ethernet{
		SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
		EthernetType: layers.EthernetType(w.EtherType),
	}, gopacket.Payload(w.Data))
}

// Bridged is the Ethernet frame as the payload of a tunnel (transparent Ethernet bridging).
func (w Wrapped) Bridged(t testing.TB) Wrapped { return Wrapped{0x6558, w.Ethernet(t)} }

// SNAP gives the frame as IEEE 802.3 with LLC and SNAP.
func (w Wrapped) SNAP(t testing.TB) []byte {
	body := serialize(t, &layers.LLC{DSAP: 0xaa, SSAP: 0xaa, Control: 3},
		&layers.SNAP{OrganizationalCode: make([]byte, 3), Type: layers.EthernetType(w.EtherType)},
		gopacket.Payload(w.Data))
	return Wrapped{uint16(len(body)), body}.Ethernet(t)
}

// VLAN puts a tag in front; tpid is the EtherType that announces it.
func (w Wrapped) VLAN(t testing.TB, tpid, vid uint16) Wrapped {
	return Wrapped{tpid, serialize(t, &layers.Dot1Q{VLANIdentifier: vid, Type: layers.EthernetType(w.EtherType)},
		gopacket.Payload(w.Data))}
}

// MPLS puts a label stack in front, the first label outermost.
func (w Wrapped) MPLS(t testing.TB, labels ...uint32) Wrapped {
	for i := len(labels) - 1; i >= 0; i-- {
		w.Data = serialize(t, &layers.MPLS{Label: labels[i], TTL: 64, StackBottom: i == len(labels)-1},
			gopacket.Payload(w.Data))
	}
	return Wrapped{0x8847, w.Data}
}

// PPPoE puts a PPPoE session header and PPP in front of IP.
func (w Wrapped) PPPoE(t testing.TB) Wrapped {
	proto := layers.PPPTypeIPv4
	if w.EtherType == 0x86dd {
		proto = layers.PPPTypeIPv6
	}
	return Wrapped{0x8864, serialize(t, &layers.PPPoE{Version: 1, Type: 1, SessionId: 5}, &layers.PPP{PPPType: proto},
		gopacket.Payload(w.Data))}
}

// Over puts raw bytes of an IP protocol after an outer IP header from 10.1.1.1
// to 10.1.1.2, or of the same in IPv6.
func Over(t testing.TB, v6 bool, proto layers.IPProtocol, data []byte) Wrapped {
	src, dst := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("10.1.1.2")
	if v6 {
		src, dst = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	}
	return ipLayer(t, src, dst, proto, 64, 77, nil, gopacket.Payload(data))
}

// IPIP puts an outer IP header in front of IP.
func (w Wrapped) IPIP(t testing.TB, v6 bool) Wrapped {
	proto := layers.IPProtocolIPv4
	if w.EtherType == 0x86dd {
		proto = layers.IPProtocolIPv6
	}
	return Over(t, v6, proto, w.Data)
}

// GRE puts an outer IPv4 and a GRE header in front; the header's protocol is
// filled in unless it has one.
func (w Wrapped) GRE(t testing.TB, h layers.GRE) Wrapped {
	if h.Protocol == 0 {
		h.Protocol = layers.EthernetType(w.EtherType)
	}
	return Over(t, false, layers.IPProtocolGRE, serialize(t, &h, gopacket.Payload(w.Data)))
}

// UDP puts outer IP and UDP headers in front of data.
func UDP(t testing.TB, v6 bool, port uint16, data []byte) Wrapped {
	src, dst := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("10.1.1.2")
	if v6 {
		src, dst = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	}
	return ipLayer(t, src, dst, layers.IPProtocolUDP, 64, 78, nil,
		&layers.UDP{SrcPort: 55555, DstPort: layers.UDPPort(port)}, gopacket.Payload(data))
}

// VXLAN puts the Ethernet frame of w after outer IP, UDP and VXLAN headers.
func (w Wrapped) VXLAN(t testing.TB, port uint16) Wrapped {
	return UDP(t, false, port, serialize(t, &layers.VXLAN{ValidIDFlag: true, VNI: 4711},
		gopacket.Payload(w.Ethernet(t))))
}

// Geneve puts w after outer IP, UDP and Geneve (RFC 8926) headers with
// options of 4*words octets.
func (w Wrapped) Geneve(t testing.TB, words int) Wrapped {
	h := make([]byte, 8+4*words)
	h[0] = byte(words)
	binary.BigEndian.PutUint16(h[2:], w.EtherType)
	h[6] = 42
	return UDP(t, false, 6081, append(h, w.Data...))
}

// Fragments cuts an IPv4 or IPv6 packet into fragments that carry size octets
// each (a multiple of 8), in order.
func (w Wrapped) Fragments(t testing.TB, size int) []Wrapped {
	t.Helper()
	var out []Wrapped
	header, body := 40, []byte(nil)
	if w.EtherType == 0x0800 {
		header = int(w.Data[0]&15) * 4
	}
	body = w.Data[header:]
	for off := 0; off < len(body); off += size {
		end := min(off+size, len(body))
		out = append(out, w.Fragment(off, body[off:end], end < len(body)))
	}
	return out
}

// Fragment is one fragment of the packet, with any bytes at any offset.
func (w Wrapped) Fragment(off int, body []byte, more bool) Wrapped {
	if w.EtherType == 0x0800 {
		header := int(w.Data[0]&15) * 4
		f := append(append([]byte(nil), w.Data[:header]...), body...)
		binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
		field := uint16(off / 8)
		if more {
			field |= 0x2000
		}
		binary.BigEndian.PutUint16(f[6:], field)
		FixIPv4Sum(f)
		return Wrapped{w.EtherType, f}
	}
	f := append([]byte(nil), w.Data[:40]...)
	f[6] = 44
	field := uint16(off)
	if more {
		field |= 1
	}
	f = append(f, w.Data[6], 0, byte(field>>8), byte(field), 0, 0, 0, 9)
	f = append(f, body...)
	binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
	return Wrapped{w.EtherType, f}
}

// Sum is RFC 1071's sum, two octets at a time.
func Sum(parts ...[]byte) uint16 {
	sum := uint32(0)
	odd := false
	for _, p := range parts {
		for _, b := range p {
			if odd {
				sum += uint32(b)
			} else {
				sum += uint32(b) << 8
			}
			odd = !odd
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// FixIPv4Sum sets the header checksum of an IPv4 packet.
func FixIPv4Sum(p []byte) {
	header := p[:int(p[0]&15)*4]
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], ^Sum(header))
}
