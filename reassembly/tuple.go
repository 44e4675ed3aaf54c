package reassembly

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// tuple identifies a connection, the same from both ends and without a pointer: the lower endpoint first, each an
// address as 16 octets and a port.
type tuple [36]byte

func endpoint(b []byte, a netip.AddrPort) {
	addr := a.Addr().As16()
	copy(b, addr[:])
	binary.BigEndian.PutUint16(b[16:], a.Port())
}

// port returns the port of the lower (0) or the higher (1) endpoint.
func (k *tuple) port(side int) uint16 { return binary.BigEndian.Uint16(k[18*side+16:]) }

// tupleOf also returns which end a packet's source is: 0 is the lower endpoint.
func tupleOf(p *decode.Packet) (k tuple, side int) {
	low, high := &p.Src, &p.Dst
	if low.Compare(*high) >= 0 {
		low, high, side = high, low, 1
	}
	endpoint(k[:18], *low)
	endpoint(k[18:], *high)
	return k, side
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
