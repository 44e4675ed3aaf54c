package reassembly

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Frames for tests are built from the inside out: a TCP segment in an IP
// packet, then each wrapping in turn, then the link header.
//
//	segment{src: "192.0.2.10:40001", dst: "198.51.100.25:25"}.ip(t).vlan(t, 0x8100, 7).ethernet(t)

const (
	linkEthernetTest = 1   // LINKTYPE_ETHERNET
	linkRawTest      = 101 // LINKTYPE_RAW

	testClient  = "192.0.2.10:40001"
	testServer  = "198.51.100.25:25"
	testClient6 = "[2001:db8::10]:40001"
	testServer6 = "[2001:db8:ffff::25]:25"
)

var testEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// segment describes a TCP segment in its IP packet. Zero values get a default.
type segment struct {
	src, dst string // "address:port"; default testClient, testServer
	seq, ack uint32
	flags    uint8 // default ACK
	noFlags  bool  // really none
	window   uint16
	noWindow bool // really 0
	urgent   uint16
	payload  []byte
	id       uint16
	ttl      uint8
	options  []layers.TCPOption
	ip4opts  []layers.IPv4Option
}

// wrapped is bytes that stand behind an EtherType.
type wrapped struct {
	etherType uint16
	data      []byte
}

func serialize(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
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

// ip gives the segment in its IPv4 or IPv6 packet, lengths and checksums right.
func (s segment) ip(t testing.TB) wrapped {
	t.Helper()
	src, dst := addrPort(t, s.src, testClient), addrPort(t, s.dst, testServer)
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: s.seq, Ack: s.ack, Window: s.window, Urgent: s.urgent, Options: s.options,
		FIN: s.flags&FIN != 0, SYN: s.flags&SYN != 0, RST: s.flags&RST != 0,
		PSH: s.flags&PSH != 0, ACK: s.flags&ACK != 0 || s.flags == 0 && !s.noFlags, URG: s.flags&URG != 0,
	}
	if s.window == 0 && !s.noWindow {
		tcp.Window = 65535
	}
	return ipLayer(t, src.Addr(), dst.Addr(), layers.IPProtocolTCP, s.ttl, s.id, s.ip4opts, tcp, gopacket.Payload(s.payload))
}

// ipLayer puts layers behind an IP header of the addresses' family.
func ipLayer(t testing.TB, src, dst netip.Addr, proto layers.IPProtocol, ttl uint8, id uint16, opts []layers.IPv4Option, inner ...gopacket.SerializableLayer) wrapped {
	t.Helper()
	if ttl == 0 {
		ttl = 64
	}
	var network gopacket.SerializableLayer
	var layer gopacket.NetworkLayer
	etherType := uint16(0x0800)
	if src.Is4() {
		ip := &layers.IPv4{Version: 4, TTL: ttl, Id: id, Protocol: proto, SrcIP: net.IP(src.AsSlice()), DstIP: net.IP(dst.AsSlice()), Options: opts}
		network, layer = ip, ip
	} else {
		ip := &layers.IPv6{Version: 6, HopLimit: ttl, NextHeader: proto, SrcIP: net.IP(src.AsSlice()), DstIP: net.IP(dst.AsSlice())}
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
	return wrapped{etherType, serialize(t, append([]gopacket.SerializableLayer{network}, inner...)...)}
}

// ethernet gives the frame with an Ethernet II header.
func (w wrapped) ethernet(t testing.TB) []byte {
	return serialize(t, &layers.Ethernet{
		SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetType(w.etherType),
	}, gopacket.Payload(w.data))
}

// bridged is the Ethernet frame as the payload of a tunnel (transparent Ethernet bridging).
func (w wrapped) bridged(t testing.TB) wrapped { return wrapped{0x6558, w.ethernet(t)} }

// snap gives the frame as IEEE 802.3 with LLC and SNAP.
func (w wrapped) snap(t testing.TB) []byte {
	body := serialize(t, &layers.LLC{DSAP: 0xaa, SSAP: 0xaa, Control: 3}, &layers.SNAP{OrganizationalCode: make([]byte, 3), Type: layers.EthernetType(w.etherType)}, gopacket.Payload(w.data))
	return wrapped{uint16(len(body)), body}.ethernet(t)
}

// vlan puts a tag in front; tpid is the EtherType that announces it.
func (w wrapped) vlan(t testing.TB, tpid, vid uint16) wrapped {
	return wrapped{tpid, serialize(t, &layers.Dot1Q{VLANIdentifier: vid, Type: layers.EthernetType(w.etherType)}, gopacket.Payload(w.data))}
}

// mpls puts a label stack in front, the first label outermost.
func (w wrapped) mpls(t testing.TB, labels ...uint32) wrapped {
	for i := len(labels) - 1; i >= 0; i-- {
		w.data = serialize(t, &layers.MPLS{Label: labels[i], TTL: 64, StackBottom: i == len(labels)-1}, gopacket.Payload(w.data))
	}
	return wrapped{0x8847, w.data}
}

// pppoe puts a PPPoE session header and PPP in front of IP.
func (w wrapped) pppoe(t testing.TB) wrapped {
	proto := layers.PPPTypeIPv4
	if w.etherType == 0x86dd {
		proto = layers.PPPTypeIPv6
	}
	return wrapped{0x8864, serialize(t, &layers.PPPoE{Version: 1, Type: 1, SessionId: 5}, &layers.PPP{PPPType: proto}, gopacket.Payload(w.data))}
}

// over puts raw bytes of an IP protocol behind an outer IP header from 10.1.1.1
// to 10.1.1.2, or of the same in IPv6.
func over(t testing.TB, v6 bool, proto layers.IPProtocol, data []byte) wrapped {
	src, dst := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("10.1.1.2")
	if v6 {
		src, dst = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	}
	return ipLayer(t, src, dst, proto, 64, 77, nil, gopacket.Payload(data))
}

// ipip puts an outer IP header in front of IP.
func (w wrapped) ipip(t testing.TB, v6 bool) wrapped {
	proto := layers.IPProtocolIPv4
	if w.etherType == 0x86dd {
		proto = layers.IPProtocolIPv6
	}
	return over(t, v6, proto, w.data)
}

// gre puts an outer IPv4 and a GRE header in front; the header's protocol is
// filled in unless it has one.
func (w wrapped) gre(t testing.TB, h layers.GRE) wrapped {
	if h.Protocol == 0 {
		h.Protocol = layers.EthernetType(w.etherType)
	}
	return over(t, false, layers.IPProtocolGRE, serialize(t, &h, gopacket.Payload(w.data)))
}

// udp puts outer IP and UDP headers in front of data.
func udp(t testing.TB, v6 bool, port uint16, data []byte) wrapped {
	src, dst := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("10.1.1.2")
	if v6 {
		src, dst = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	}
	return ipLayer(t, src, dst, layers.IPProtocolUDP, 64, 78, nil, &layers.UDP{SrcPort: 55555, DstPort: layers.UDPPort(port)}, gopacket.Payload(data))
}

// vxlan puts the Ethernet frame of w behind outer IP, UDP and VXLAN headers.
func (w wrapped) vxlan(t testing.TB, port uint16) wrapped {
	return udp(t, false, port, serialize(t, &layers.VXLAN{ValidIDFlag: true, VNI: 4711}, gopacket.Payload(w.ethernet(t))))
}

// geneve puts w behind outer IP, UDP and Geneve (RFC 8926) headers with
// options of 4*words octets.
func (w wrapped) geneve(t testing.TB, words int) wrapped {
	h := make([]byte, 8+4*words)
	h[0] = byte(words)
	binary.BigEndian.PutUint16(h[2:], w.etherType)
	h[6] = 42
	return udp(t, false, 6081, append(h, w.data...))
}

// fragments cuts an IPv4 or IPv6 packet into fragments that carry size octets
// each (a multiple of 8), in order.
func (w wrapped) fragments(t testing.TB, size int) []wrapped {
	t.Helper()
	var out []wrapped
	header, body := 40, []byte(nil)
	if w.etherType == 0x0800 {
		header = int(w.data[0]&15) * 4
	}
	body = w.data[header:]
	for off := 0; off < len(body); off += size {
		end := min(off+size, len(body))
		out = append(out, w.fragment(off, body[off:end], end < len(body)))
	}
	return out
}

// fragment is one fragment of the packet, with any bytes at any offset.
func (w wrapped) fragment(off int, body []byte, more bool) wrapped {
	if w.etherType == 0x0800 {
		header := int(w.data[0]&15) * 4
		f := append(append([]byte(nil), w.data[:header]...), body...)
		binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
		field := uint16(off / 8)
		if more {
			field |= 0x2000
		}
		binary.BigEndian.PutUint16(f[6:], field)
		fixIPv4Sum(f)
		return wrapped{w.etherType, f}
	}
	f := append([]byte(nil), w.data[:40]...)
	f[6] = 44
	field := uint16(off)
	if more {
		field |= 1
	}
	f = append(f, w.data[6], 0, byte(field>>8), byte(field), 0, 0, 0, 9)
	f = append(f, body...)
	binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
	return wrapped{w.etherType, f}
}

// naiveSum is RFC 1071's sum, two octets at a time.
func naiveSum(parts ...[]byte) uint16 {
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

// fixIPv4Sum sets the header checksum of an IPv4 packet.
func fixIPv4Sum(p []byte) {
	header := p[:int(p[0]&15)*4]
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], ^naiveSum(header))
}
