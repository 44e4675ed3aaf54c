package reassembly

import (
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// FramesLost says that n frames of this Assembler's input were lost before the next one, such as to a full ring. Whose
// they were is not known; any connection may be concerned, and each finds out by itself:
//
//   - bytes behind which the connection goes on show as a hole, by sequence numbers and acknowledgments, and are flagged
//     there and counted, exactly;
//   - a SYN makes its connection midstream;
//   - what nothing follows leaves no hole. So a transaction that is open when its connection is given up (silence, ports
//     used again, the end of the input), or reset, and that heard nothing since a loss, is flagged gap, and its outcome
//     is unknown: it may have gone on in what was lost. FINs in both directions stand at known places and prove the
//     contrary;
//   - a connection, or a transaction, of which nothing else was captured leaves no row. The count of lost frames is all
//     that tells of it.
func (a *Assembler) FramesLost(n uint64) {
	if n > 0 {
		a.losses++
		a.stats.FramesLost += int64(n)
	}
}

// lose says that the next n bytes were missed.
func (c *conn) lose(t time.Time, dir smtp.Direction, n int64) {
	h := &c.half[dir]
	if h.history.end > h.acked {
		h.bare = h.history.end
	}
	h.next += n
	h.history.forget(&c.a.histories)
	c.a.stats.LostBytes += n
	if c.a.trace != nil {
		c.a.trace(delivery{c, dir, nil, n, 0})
	}
	c.dialogue.Lost(dir, t, n)
}

// begin takes up a connection of whose ends the initial sequence numbers are known, or not: without one, what was lost at
// the beginning of that direction, such as the greeting, leaves no hole.
func (c *conn) begin(known [2]bool) {
	if c.a.losses > 0 && known != [2]bool{true, true} {
		c.dialogue.Doubt()
	}
}

// hear notes a segment of the connection. A RST proves nothing: it may follow what was lost at once, and names no place.
func (c *conn) hear(p *decode.Packet) {
	if p.Flags&decode.RST == 0 {
		c.heardAt = c.a.losses
	}
}

// settled says whether the connection has ended, and all that belongs to it shows; otherwise its dialogue is told.
func (c *conn) settled(ended bool) bool {
	if c.heardAt == c.a.losses {
		return ended
	}
	c.dialogue.MayHaveMissed()
	return false
}
