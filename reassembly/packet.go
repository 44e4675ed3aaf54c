package reassembly

import "net/netip"

// packet is one TCP segment as decoded from a frame. Its slices point into the
// frame, or into the defragmenter's buffer until the decoder's next call.
type packet struct {
	src, dst netip.AddrPort // IPv4 as 4-byte Addr, never 4in6
	seq, ack uint32
	flags    uint8 // tcpFIN and the like
	window   uint16
	urgent   uint16
	payload  []byte // without Ethernet padding (bounded by the IP length), cut where the capture was
	missing  int    // payload octets that the snaplen cut off: length by the IP header less what was captured
	ttl      uint8
	scaling  synOptions // of a SYN

	// checksumBad: the TCP checksum, computed over the whole segment, or the
	// IPv4 header checksum is wrong. False where it cannot be computed (cut).
	checksumBad bool
	// checksumOffload: checksumBad, and each wrong field is what a host leaves
	// that has its network card fill it in: the sum of the pseudo header alone
	// in TCP's, zero in IPv4's. A capture at such a host shows only these.
	checksumOffload bool
	// conflict: the segment came in IPv4 fragments that overlap with different
	// bytes; payload holds the copy that came first.
	conflict bool
}

// The flags of RFC 9293 section 3.1 that matter here, in the header's bit order.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
	tcpURG
)
