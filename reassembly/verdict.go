package reassembly

import "iter"

// verdict is what became of one frame: each frame gets exactly one, and it
// indexes FrameCounts.
type verdict uint8

const (
	tcpPort     verdict = iota // a TCP segment of a port in the set: the packet is filled in
	fragment                   // a piece of a datagram that is not whole yet, or one that its datagram had already
	otherPort                  // TCP, but neither port is in the set
	notTCP                     // IP, but no TCP inside
	notIP                      // nothing that leads to IP
	unknownLink                // a link type that the decoder does not know
	tooDeep                    // more than maxHeaders headers before TCP
	badFragment                // a fragment that cannot be part of any datagram; FragmentStats says why

	truncatedLink // the header named is not all there
	truncatedVLAN
	truncatedMPLS
	truncatedPPP
	truncatedIPv4
	truncatedIPv6
	truncatedUDP
	truncatedTunnel
	truncatedTCP

	badLink // the header named contradicts itself or the length of the frame
	badPPP
	badIPv4
	badIPv6
	badTunnel
	badTCP

	verdictCount
)

// FrameCounts counts frames by what became of them. Its sum is the number of
// frames that were decoded.
type FrameCounts [verdictCount]int64

// All gives each count with its name, for metrics and summaries.
func (c *FrameCounts) All() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for v, n := range c {
			if !yield(verdict(v).String(), n) {
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
func (v verdict) String() string {
	switch v {
	case tcpPort:
		return "tcp_port"
	case fragment:
		return "fragment"
	case otherPort:
		return "other_port"
	case notTCP:
		return "not_tcp"
	case notIP:
		return "not_ip"
	case unknownLink:
		return "unknown_link"
	case tooDeep:
		return "too_deep"
	case badFragment:
		return "bad_fragment"
	case truncatedLink:
		return "truncated_link"
	case truncatedVLAN:
		return "truncated_vlan"
	case truncatedMPLS:
		return "truncated_mpls"
	case truncatedPPP:
		return "truncated_ppp"
	case truncatedIPv4:
		return "truncated_ipv4"
	case truncatedIPv6:
		return "truncated_ipv6"
	case truncatedUDP:
		return "truncated_udp"
	case truncatedTunnel:
		return "truncated_tunnel"
	case truncatedTCP:
		return "truncated_tcp"
	case badLink:
		return "bad_link"
	case badPPP:
		return "bad_ppp"
	case badIPv4:
		return "bad_ipv4"
	case badIPv6:
		return "bad_ipv6"
	case badTunnel:
		return "bad_tunnel"
	case badTCP:
		return "bad_tcp"
	}
	return "unknown"
}
