package decode

import (
	"encoding/binary"
	"net/netip"
)

// Address is an IP address as two numbers, IPv4 as mapped to IPv6.
type Address struct{ high, low uint64 }

// High returns the first 64 bits.
func (a Address) High() uint64 { return a.high }

// Low returns the last 64 bits.
func (a Address) Low() uint64 { return a.low }

// AddressOf returns an Address.
func AddressOf(a netip.Addr) Address {
	b := a.As16()
	return Address{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

func (a Address) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.high)
	binary.BigEndian.PutUint64(b[8:], a.low)
	return netip.AddrFrom16(b).Unmap()
}

// Less orders addresses of one version as netip.Addr.Less does.
func (a Address) Less(b Address) bool { return a.high < b.high || a.high == b.high && a.low < b.low }

// addressOf makes an Address of 4 or 16 octets.
func addressOf(b []byte) Address {
	const mapped = 0xffff << 32
	if len(b) == 4 {
		return Address{low: mapped | uint64(binary.BigEndian.Uint32(b))}
	}
	return Address{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// Flow is the addresses and ports of a TCP segment.
type Flow struct {
	Src, Dst         Address
	SrcPort, DstPort uint16
}

// FlowOf returns the flow from one address and port to another.
func FlowOf(src, dst netip.AddrPort) Flow {
	return Flow{AddressOf(src.Addr()), AddressOf(dst.Addr()), src.Port(), dst.Port()}
}

// Source returns the address and port of the sender, IPv4 as 4-byte Addr, never 4in6.
func (f *Flow) Source() netip.AddrPort { return netip.AddrPortFrom(f.Src.addr(), f.SrcPort) }

// Destination returns those of the receiver.
func (f *Flow) Destination() netip.AddrPort { return netip.AddrPortFrom(f.Dst.addr(), f.DstPort) }

// PlainFlow returns the flow of a frame that is Ethernet, IPv4 without options or IPv6, and TCP, and no fragment. Of
// these [Decoder.Decode] remembers nothing for other frames. ok is false for all others.
func PlainFlow(link uint16, frame []byte) (f Flow, ok bool) {
	const ethernet, ports = 14, 4
	const ipv4, ipv6 = ethernet + 20, ethernet + 40
	if link != linkEthernet || len(frame) < ipv4+ports {
		return f, false
	}
	b, tcp := frame[ethernet:], frame[ipv4:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case etherIPv4:
		const fragment = 0x3fff // more fragments, and the offset
		if b[0] != 0x45 || b[9] != protoTCP || binary.BigEndian.Uint16(b[6:])&fragment != 0 {
			return f, false
		}
		f.Src, f.Dst = addressOf(b[12:16]), addressOf(b[16:20])
	case etherIPv6:
		if len(frame) < ipv6+ports || b[0]>>4 != 6 || b[6] != protoTCP {
			return f, false
		}
		f.Src, f.Dst = addressOf(b[8:24]), addressOf(b[24:40])
		tcp = frame[ipv6:]
	default:
		return f, false
	}
	f.SrcPort, f.DstPort = binary.BigEndian.Uint16(tcp), binary.BigEndian.Uint16(tcp[2:])
	return f, true
}
