package reassembly

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
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

// identify notes the tuple of a segment, and which end its source is: 0 is the lower endpoint.
func (g *segment) identify() {
	f, k := &g.p.Flow, &g.key
	if f.Src.Less(f.Dst) || f.Src == f.Dst && f.SrcPort < f.DstPort {
		g.side = 0
	} else {
		g.side = 1
	}
	k.addresses[g.side], k.addresses[1-g.side] = f.Src, f.Dst
	k.ports[g.side], k.ports[1-g.side] = f.SrcPort, f.DstPort
}

// seeds are the key of a hash of addresses and ports. Each run has others, so that a sender cannot choose connections
// whose hashes are alike.
type seeds [3]uint64

func newSeeds() (s seeds) {
	seed := maphash.MakeSeed()
	for i := range s {
		s[i] = maphash.Comparable(seed, i) | 1
	}
	return s
}

// hash hashes one end of a connection.
func (s *seeds) hash(a decode.Address, port uint16) uint64 {
	high, low := bits.Mul64(a.High()^s[0], a.Low()^s[1])
	high, low = bits.Mul64(high^low^uint64(port), s[2])
	return high ^ low
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
