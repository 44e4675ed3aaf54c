package decode

import "iter"

// Verdict is what became of one frame. Each frame gets exactly one; it indexes
// [FrameCounts].
type Verdict uint8

const (
	TCPPort     Verdict = iota // a TCP segment of a watched port: the Packet is filled in
	Fragment                   // a fragment of a datagram that is not whole yet, or one that it had already
	OtherPort                  // TCP, but neither port is watched
	NotTCP                     // IP, but no TCP inside
	NotIP                      // nothing that leads to IP
	UnknownLink                // a link type that the decoder does not know
	TooDeep                    // more headers before TCP than the decoder reads
	BadFragment                // a fragment that cannot be part of any datagram; FragmentStats has the reason

	// The frame ends, because the snaplen cut it or because it is malformed, before
	// the header named does.
	TruncatedLink
	TruncatedVLAN
	TruncatedMPLS
	TruncatedPPP
	TruncatedIPv4
	TruncatedIPv6
	TruncatedUDP
	TruncatedTunnel
	TruncatedTCP

	// The header named contradicts itself, or the length of the frame.
	BadLink
	BadPPP
	BadIPv4
	BadIPv6
	BadTunnel
	BadTCP

	verdictCount
)

var verdictNames = [verdictCount]string{
	TCPPort: "tcp_port", Fragment: "fragment", OtherPort: "other_port", NotTCP: "not_tcp", NotIP: "not_ip",
	UnknownLink: "unknown_link", TooDeep: "too_deep", BadFragment: "bad_fragment",
	TruncatedLink: "truncated_link", TruncatedVLAN: "truncated_vlan", TruncatedMPLS: "truncated_mpls",
	TruncatedPPP: "truncated_ppp", TruncatedIPv4: "truncated_ipv4", TruncatedIPv6: "truncated_ipv6",
	TruncatedUDP: "truncated_udp", TruncatedTunnel: "truncated_tunnel", TruncatedTCP: "truncated_tcp",
	BadLink: "bad_link", BadPPP: "bad_ppp", BadIPv4: "bad_ipv4", BadIPv6: "bad_ipv6", BadTunnel: "bad_tunnel",
	BadTCP: "bad_tcp",
}

// String is the name of the verdict in metrics: lower case, underscores.
func (v Verdict) String() string {
	if v < verdictCount {
		return verdictNames[v]
	}
	return "unknown"
}

// Damaged reports whether the frame is cut or malformed.
func (v Verdict) Damaged() bool { return v == BadFragment || v >= TruncatedLink && v < verdictCount }

// FrameCounts counts frames by what became of them, indexed by [Verdict]. Its sum
// is the number of frames that were decoded.
type FrameCounts [verdictCount]int64

// All yields each count, zeros too, with the name of its verdict, in their order.
func (c *FrameCounts) All() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for v, n := range c {
			if !yield(Verdict(v).String(), n) {
				return
			}
		}
	}
}

// Total is the number of frames that were decoded.
func (c *FrameCounts) Total() (n int64) {
	for _, k := range c {
		n += k
	}
	return n
}
