package reassembly

// checksums decides which segments are ignored for their checksum.
type checksums struct {
	policy ChecksumPolicy
	stats  *Stats
	sums   map[[16]byte]*tally // by sending address
}

// tally counts the checksums of one sending address, for Auto: a capture on a host whose card fills them in shows only
// wrong ones of that host.
type tally struct{ good, bad int }

// maxTallies bounds the addresses for which checksums are counted.
const maxTallies = 1 << 16

func newChecksums(policy ChecksumPolicy, stats *Stats) checksums {
	return checksums{policy: policy, stats: stats, sums: map[[16]byte]*tally{}}
}

// tally returns the tally of a segment's sender. The connection, if there is one, caches it.
func (s *checksums) tally(g *segment, c *conn) *tally {
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

// wrong reports whether a segment is to be ignored for its checksum.
func (s *checksums) wrong(g *segment, c *conn) bool {
	if s.policy == Off {
		return false
	}
	t := s.tally(g, c)
	if !g.p.ChecksumBad {
		t.good++
		return false
	}
	t.bad++
	s.stats.BadChecksums++
	return s.policy == Strict || t.good*8 > t.bad || !g.p.ChecksumOffload && t.bad < 4 && t.good > 0
}
