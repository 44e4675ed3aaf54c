package decode

import "net/netip"

// Packet is one TCP segment as decoded from a frame. Its slices point into the
// frame, or into the defragmenter's buffer until the decoder's next call.
type Packet struct {
	Src, Dst    netip.AddrPort // IPv4 as 4-byte Addr, never 4in6
	Seq, Ack    uint32
	Flags       uint8 // FIN and the like
	Window      uint16
	Urgent      uint16
	Payload     []byte // without Ethernet padding (bounded by the IP length), cut where the capture was
	Missing     int    // payload octets that the snaplen cut off: length by the IP header less what was captured
	TTL         uint8
	WindowScale uint8 // of a SYN: the shift of its window scale option plus one, 0 without the option

	// ChecksumBad: the TCP checksum, computed over the whole segment, or the
	// IPv4 header checksum is wrong. False where it cannot be computed (cut).
	ChecksumBad bool
	// ChecksumOffload: ChecksumBad, and each wrong field is what a host leaves
	// that has its network card fill it in: the sum of the pseudo header alone
	// in TCP's, zero in IPv4's. A capture at such a host shows only these.
	ChecksumOffload bool
	// Conflict: the segment came in IPv4 fragments that overlap with different
	// bytes; payload holds the copy that came first.
	Conflict bool
}

// The flags of RFC 9293 section 3.1 that matter here, in the header's bit order.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)
