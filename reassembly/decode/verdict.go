package decode

import "iter"

// Verdict is what became of one frame: each frame gets exactly one, and it
// indexes FrameCounts.
type Verdict uint8

const (
	TCPPort     Verdict = iota // a TCP segment of a port in the set: the packet is filled in
	Fragment                   // a piece of a datagram that is not whole yet, or one that its datagram had already
	OtherPort                  // TCP, but neither port is in the set
	NotTCP                     // IP, but no TCP inside
	NotIP                      // nothing that leads to IP
	UnknownLink                // a link type that the decoder does not know
	TooDeep                    // more than maxHeaders headers before TCP
	BadFragment                // a fragment that cannot be part of any datagram; FragmentStats says why

	TruncatedLink // the header named is not all there
	TruncatedVLAN
	TruncatedMPLS
	TruncatedPPP
	TruncatedIPv4
	TruncatedIPv6
	TruncatedUDP
	TruncatedTunnel
	TruncatedTCP

	BadLink // the header named contradicts itself or the length of the frame
	BadPPP
	BadIPv4
	BadIPv6
	BadTunnel
	BadTCP

	verdictCount
)

// FrameCounts counts frames by what became of them. Its sum is the number of
// frames that were decoded.
type FrameCounts [verdictCount]int64

// All gives each count with its name, for metrics and summaries.
func (c *FrameCounts) All() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for v, n := range c {
			if !yield(Verdict(v).String(), n) {
				return
			}
		}
	}
}

// Total is the number of frames counted.
func (c *FrameCounts) Total() (n int64) {
	for _, k := range c {
		n += k
	}
	return n
}

// String is the name of the verdict in metrics: lower case, underscores.
func (v Verdict) String() string {
	switch v {
	case TCPPort:
		return "tcp_port"
	case Fragment:
		return "fragment"
	case OtherPort:
		return "other_port"
	case NotTCP:
		return "not_tcp"
	case NotIP:
		return "not_ip"
	case UnknownLink:
		return "unknown_link"
	case TooDeep:
		return "too_deep"
	case BadFragment:
		return "bad_fragment"
	case TruncatedLink:
		return "truncated_link"
	case TruncatedVLAN:
		return "truncated_vlan"
	case TruncatedMPLS:
		return "truncated_mpls"
	case TruncatedPPP:
		return "truncated_ppp"
	case TruncatedIPv4:
		return "truncated_ipv4"
	case TruncatedIPv6:
		return "truncated_ipv6"
	case TruncatedUDP:
		return "truncated_udp"
	case TruncatedTunnel:
		return "truncated_tunnel"
	case TruncatedTCP:
		return "truncated_tcp"
	case BadLink:
		return "bad_link"
	case BadPPP:
		return "bad_ppp"
	case BadIPv4:
		return "bad_ipv4"
	case BadIPv6:
		return "bad_ipv6"
	case BadTunnel:
		return "bad_tunnel"
	case BadTCP:
		return "bad_tcp"
	}
	return "unknown"
}
