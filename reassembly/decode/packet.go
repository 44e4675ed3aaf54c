package decode

// Packet is one TCP segment as decoded from a frame. Payload points into the frame,
// or into a buffer of the defragmenter: it is valid until the frame's memory is
// used again and until the next call of [Decoder.Decode], whichever comes first.
type Packet struct {
	Flow
	Seq, Ack uint32
	Flags    uint8  // FIN to URG; the other bits of the header are left out
	Window   uint16 // as in the header, not scaled
	Urgent   uint16
	Payload  []byte // without Ethernet padding, as much as was captured
	Missing  int    // octets of payload that the snaplen cut off
	TTL      uint8  // or hop limit, of the innermost IP header

	// Network is the network that the packet was seen in, by the tags and tunnels around it.
	Network Network
	// Path is a hash of all that tells by which way the packet came: the tags of Network, and what differs between
	// the two directions of a connection, or changes while it lasts: MPLS labels other than reserved and entropy
	// labels, the identifiers of GTP, L2TP and PPTP with the address of the end that they belong to, the session
	// of PPPoE, the pair of addresses of a tunnel that has no identifier, the whole key of NVGRE. The way back may
	// have another Path or, at a tap that tags each direction for itself, even another Network. It is 0 without
	// any of these; Paths of two Decoders must not be compared.
	Path uint64

	// WindowScale is, of a SYN, the shift count of its window scale option (RFC
	// 7323 section 2.2) plus one; 0 without the option, and of other segments. If
	// the snaplen cut the options off, the largest possible is assumed.
	WindowScale uint8

	// ChecksumBad means that the TCP checksum, computed over the whole segment, or
	// the IPv4 header checksum is wrong. A TCP checksum that cannot be computed,
	// because the segment was cut, counts as right.
	ChecksumBad bool
	// ChecksumOffload means ChecksumBad, and that each wrong field has the value
	// that a host leaves if its network card is to fill it in: the sum of the
	// pseudo header alone in TCP's, zero in IPv4's. A capture on such a host shows
	// only these.
	ChecksumOffload bool
	// Joined means that Payload points into a buffer of the defragmenter.
	Joined bool
	// Conflict means that the segment came in IPv4 fragments that overlap with
	// different bytes. Payload holds the copy that came first.
	Conflict bool

	// Unseen means that the payload was left in the kernel: Payload has its length and its last two octets, and
	// [Filler] in place of the others. Digest is that of the octets: see [DigestKey].
	Unseen bool
	Digest uint64
}

// Packet.Flags: the flags of RFC 9293 section 3.1 that matter here, with the
// header's bits.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)
