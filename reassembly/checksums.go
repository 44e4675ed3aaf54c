package reassembly

// checksums judges checksums by ChecksumPolicy.
type checksums struct {
	policy ChecksumPolicy
	stats  *Stats
	sums   map[[16]byte]*tally // by sending address
}

// tally is whether a sending address ever had a right checksum. A capture on a host whose card fills them in shows
// only wrong ones of that host, and so does one whose addresses were changed afterwards.
type tally struct{ right bool }

// maxTallies bounds the addresses that have a tally.
const maxTallies = 1 << 16

func newChecksums(policy ChecksumPolicy, stats *Stats) checksums {
	return checksums{policy: policy, stats: stats, sums: map[[16]byte]*tally{}}
}

// tally returns the tally of a segment's sender. The connection, if one is open, caches it.
func (s *checksums) tally(g *segment, c *conn) *tally {
	if c != nil && c.closed {
		c = nil
	}
	if c != nil && c.tallies[g.side] != nil {
		return c.tallies[g.side]
	}
	key := g.p.Src.Addr().As16()
	t := s.sums[key]
	if t == nil {
		if len(s.sums) >= maxTallies {
			s.stats.Steps += int64(len(s.sums))
			clear(s.sums)
		}
		t = &tally{}
		s.sums[key] = t
	}
	if c != nil {
		c.tallies[g.side] = t
	}
	return t
}

// check notes whether a segment's checksum is evidence against it: then the segment is unverified. It reports whether
// the segment is to be read at all.
func (s *checksums) check(g *segment, c *conn) bool {
	if s.policy == Off {
		return true
	}
	t := s.tally(g, c)
	if !g.p.ChecksumBad {
		t.right = true
		return true
	}
	s.stats.BadChecksums++
	g.unverified = t.right
	return s.policy == Auto
}
