package hostile

import (
	"encoding/binary"
	"net/netip"
)

// TCP flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// IP protocols and EtherTypes.
const (
	protoIPIP = 4
	protoTCP  = 6
	protoGRE  = 47

	etherIPv4 = 0x0800
	etherVLAN = 0x8100
	etherMPLS = 0x8847
)

// Checksum is RFC 1071's, on top of a sum of what goes before.
func Checksum(before uint32, b []byte) uint16 {
	sum := uint64(before)
	for ; len(b) >= 4; b = b[4:] {
		sum += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) > 1 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) > 0 {
		sum += uint64(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// IPv4 makes a packet of a protocol; field is flags and fragment offset as RFC 791 has them.
func IPv4(src, dst netip.Addr, proto uint8, id, field uint16, body []byte) []byte {
	b := make([]byte, 20, 20+len(body))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], field)
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(b[10:], Checksum(0, b))
	return append(b, body...)
}

// Segment is a TCP segment.
type Segment struct {
	Src, Dst netip.AddrPort
	Flags    uint8
	Seq, Ack uint32
	Window   uint16 // 0: 65535
	Payload  string
	BadSum   bool // its checksum is wrong
}

// Packet is the segment in its IPv4 packet, with right checksums.
func (s Segment) Packet() []byte {
	b := make([]byte, 20+len(s.Payload))
	binary.BigEndian.PutUint16(b[0:], s.Src.Port())
	binary.BigEndian.PutUint16(b[2:], s.Dst.Port())
	binary.BigEndian.PutUint32(b[4:], s.Seq)
	binary.BigEndian.PutUint32(b[8:], s.Ack)
	b[12], b[13] = 5<<4, s.Flags
	window := s.Window
	if window == 0 {
		window = 65535
	}
	binary.BigEndian.PutUint16(b[14:], window)
	if s.Flags&URG != 0 {
		b[19] = 1 // the urgent pointer
	}
	copy(b[20:], s.Payload)
	p := IPv4(s.Src.Addr(), s.Dst.Addr(), protoTCP, 0, 0, b)
	pseudo := uint32(protoTCP) + uint32(len(b))
	for i := 12; i < 20; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	binary.BigEndian.PutUint16(p[20+16:], Checksum(pseudo, b))
	if s.BadSum {
		p[20+16] ^= 0x55
	}
	return p
}

// ethernet gives the frame of a packet, or of what else the EtherType announces.
func ethernet(etherType uint16, body []byte) []byte {
	return append([]byte{2, 0, 0, 0, 0, 0x19, 2, 0, 0, 0, 0, 0x18, byte(etherType >> 8), byte(etherType)}, body...)
}

func ipFrame(packet []byte) []byte { return ethernet(etherIPv4, packet) }

var tunnelEnds = [2]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}

// nested puts a packet into n IP-in-IP headers.
func nested(packet []byte, n int) []byte {
	for range n {
		packet = IPv4(tunnelEnds[0], tunnelEnds[1], protoIPIP, 0, 0, packet)
	}
	return packet
}

// gre puts a packet behind an outer IPv4 and a GRE header.
func gre(packet []byte) []byte {
	return IPv4(tunnelEnds[0], tunnelEnds[1], protoGRE, 0, 0,
		append([]byte{0, 0, etherIPv4 >> 8, etherIPv4 & 0xff}, packet...))
}

// vxlan puts a frame behind an outer IPv4, a UDP and a VXLAN header.
func vxlan(frame []byte) []byte {
	b := make([]byte, 16, 16+len(frame))
	binary.BigEndian.PutUint16(b[0:], 40000)
	binary.BigEndian.PutUint16(b[2:], 4789)
	binary.BigEndian.PutUint16(b[4:], uint16(16+len(frame)))
	b[8] = 8 // the VNI is there
	const udp = 17
	return IPv4(tunnelEnds[0], tunnelEnds[1], udp, 0, 0, append(b, frame...))
}

// tagged gives the frame of a packet with n VLAN tags, or MPLS labels.
func tagged(packet []byte, vlan bool, n int) []byte {
	if vlan {
		body := packet
		for i := range n {
			inner := uint16(etherVLAN)
			if i == 0 {
				inner = etherIPv4
			}
			body = append([]byte{0, byte(i), byte(inner >> 8), byte(inner)}, body...)
		}
		return ethernet(etherVLAN, body)
	}
	var labels []byte
	for i := range n {
		bottom := byte(0)
		if i == n-1 {
			bottom = 1
		}
		labels = append(labels, 0, byte(i+1), bottom, 64)
	}
	return ethernet(etherMPLS, append(labels, packet...))
}
