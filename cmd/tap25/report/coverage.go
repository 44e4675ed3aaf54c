package report

import (
	"tap25/reassembly"
	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
	"tap25/store"
)

// CoverageOf returns the counters of coverage that Assemblers have: what was read, and what was missing in it. None
// ever falls.
func CoverageOf(s *reassembly.Stats) store.CoverageCounts {
	c := store.CoverageCounts{
		FragmentsLost: s.Fragments.Expired + s.Fragments.Evicted + s.Fragments.Bad, HolesGivenUp: s.HolesEvicted,
		OctetsLost: s.LostBytes, Sessions: s.Sessions, Encrypted: s.SMTP.Rows[smtp.Encrypted], Cut: s.Cut,
	}
	for v, n := range s.Frames {
		c.FramesRead += n
		if decode.Verdict(v).Damaged() {
			c.Undecoded += n
		}
	}
	return c
}
