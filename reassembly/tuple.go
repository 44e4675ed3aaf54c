package reassembly

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"tap25/reassembly/decode"
)

// tuple identifies a connection, the same from both ends and without a pointer: the lower endpoint first, each an address
// as 16 octets and a port.
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
	var src, dst [18]byte
	endpoint(src[:], p.Src)
	endpoint(dst[:], p.Dst)
	if bytes.Compare(src[:], dst[:]) >= 0 {
		src, dst, side = dst, src, 1
	}
	copy(k[:18], src[:])
	copy(k[18:], dst[:])
	return k, side
}

// sessionID identifies a connection: the first eight octets of the SHA-256 of the client's address (as 16 octets, IPv4
// mapped) and port, the server's, and either the client's initial sequence number (4 octets) or, without it, the first
// packet's time in nanoseconds (8 octets); all big-endian.
func sessionID(client, server netip.AddrPort, isn uint32, known bool, first time.Time) int64 {
	var b [44]byte
	endpoint(b[:18], client)
	endpoint(b[18:36], server)
	n := 40
	if known {
		binary.BigEndian.PutUint32(b[36:], isn)
	} else {
		binary.BigEndian.PutUint64(b[36:], uint64(first.UnixNano()))
		n = 44
	}
	sum := sha256.Sum256(b[:n])
	return int64(binary.BigEndian.Uint64(sum[:8]))
}
