package reassembly

import "tap25/reassembly/decode"

// checksums judges checksums by ChecksumPolicy.
type checksums struct {
	policy ChecksumPolicy
	stats  *Stats
}

// check notes whether a segment's checksum is evidence against it: then the segment is unverified. It reports whether
// the segment is to be read at all. c is its connection, if there is one, which remembers its hosts for longer than
// senders.
func (s *checksums) check(g *segment, c *conn) bool {
	if s.policy == Off {
		return true
	}
	right := g.right
	if c != nil {
		right = right || c.right[g.side]
		c.right[g.side] = right || !g.p.ChecksumBad
	}
	if !g.p.ChecksumBad {
		return true
	}
	s.stats.BadChecksums++
	g.unverified = right
	return s.policy == Auto
}

// senders are the addresses that have sent a segment with a right checksum. A capture on a host whose card fills them
// in shows only wrong ones of that host, and so does one whose addresses were changed afterwards.
type senders struct {
	right map[decode.Address]struct{}
	// some of them, each at the place that its last bits give: segments come in bursts
	latest [1 << 10]decode.Address
	steps  int64
}

// maxSenders bounds the addresses that are known.
const maxSenders = 1 << 16

func newSenders() *senders { return &senders{right: map[decode.Address]struct{}{}} }

// known reports whether an address has sent a segment with a right checksum.
func (s *senders) known(a decode.Address) bool {
	at := &s.latest[a.Low()%uint64(len(s.latest))]
	if *at == a && a != (decode.Address{}) {
		return true
	}
	if _, ok := s.right[a]; !ok {
		return false
	}
	*at = a
	return true
}

// note notes a segment. It reports whether others of its sender were right.
func (s *senders) note(p *decode.Packet) bool {
	a := p.Src
	if s.known(a) {
		return true
	}
	if p.ChecksumBad {
		return false
	}
	if len(s.right) >= maxSenders {
		s.steps += int64(len(s.right))
		clear(s.right)
		clear(s.latest[:])
	}
	s.right[a] = struct{}{}
	return false
}
