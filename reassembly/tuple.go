package reassembly

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// tuple identifies a connection, the same from both ends and without a pointer: the lower endpoint first.
type tuple struct {
	addresses [2]decode.Address
	ports     [2]uint16
}

// is reports whether two tuples are the same; the operator compares octet by octet.
func (k *tuple) is(x *tuple) bool {
	return k.addresses[0] == x.addresses[0] && k.addresses[1] == x.addresses[1] && k.ports == x.ports
}

// endpoint writes an address as 16 octets and a port.
func endpoint(b []byte, a netip.AddrPort) {
	addr := a.Addr().As16()
	copy(b, addr[:])
	binary.BigEndian.PutUint16(b[16:], a.Port())
}

// tupleOf also returns which end a packet's source is: 0 is the lower endpoint.
func tupleOf(p *decode.Packet) (k tuple, side int) {
	f := &p.Flow
	if order := f.Src.Compare(f.Dst); order < 0 || order == 0 && f.SrcPort < f.DstPort {
		return tuple{[2]decode.Address{f.Src, f.Dst}, [2]uint16{f.SrcPort, f.DstPort}}, 0
	}
	return tuple{[2]decode.Address{f.Dst, f.Src}, [2]uint16{f.DstPort, f.SrcPort}}, 1
}

// name is what tells a connection from others of the same tuple: a number, and the network.
type name struct {
	number  uint64 // the client's initial sequence number or, without it, the time of the first packet in nanoseconds
	exact   bool   // it is the former
	network string // as rows have it
}

// sessionID identifies a connection: the first eight octets of the SHA-256 of the client's address (as 16 octets, IPv4
// mapped) and port, the server's, and either the client's initial sequence number (4 octets) or, without it, the first
// packet's time in nanoseconds (8 octets), all big-endian, and the text of the network.
func sessionID(client, server netip.AddrPort, n name) int64 {
	var b [44 + smtp.MaxNetwork]byte
	endpoint(b[:18], client)
	endpoint(b[18:36], server)
	end := 40
	if n.exact {
		binary.BigEndian.PutUint32(b[36:], uint32(n.number))
	} else {
		binary.BigEndian.PutUint64(b[36:], n.number)
		end = 44
	}
	end += copy(b[end:], n.network)
	sum := sha256.Sum256(b[:end])
	return int64(binary.BigEndian.Uint64(sum[:8]))
}
