package reassembly

import (
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// FramesLost reports that n frames of this Assembler's input were lost before the next one, such as to a full ring.
// They may belong to any connection, and each connection finds out by itself:
//
//   - if the connection continues after the lost bytes, sequence numbers and acknowledgments show them as a hole, which
//     is flagged there and counted exactly;
//   - if a SYN was lost, its connection is midstream;
//   - if nothing follows the lost bytes, they leave no hole. So a transaction is flagged gap, with an unknown outcome,
//     if it is open when its connection is given up (silence, ports used again, the end of the input) or reset, and
//     nothing of the connection was captured since a loss: it may have continued in what was lost. FINs in both
//     directions have known sequence numbers and prove the contrary;
//   - a connection, or a transaction, of which nothing else was captured leaves no row. Only the count of lost frames
//     shows that there may have been one.
func (a *Assembler) FramesLost(n uint64) {
	if n > 0 {
		a.shared.losses++
		a.shared.stats.FramesLost += int64(n)
	}
}

// LeavesOff reports that the rest of the input will not be read: a signal came. The connections that are open may go on
// in it. So Close, which is to follow, flags their transactions as it does after FramesLost.
func (a *Assembler) LeavesOff() { a.shared.losses++ }

// lose reports to the dialogue that the next n bytes were not captured.
func (c *conn) lose(t time.Time, dir smtp.Direction, n int64) {
	h := &c.half[dir]
	if h.history.end > h.acked {
		h.bare = h.history.end
	}
	h.next += n
	h.history.forget(&c.shared.histories)
	c.shared.stats.LostBytes += n
	if !c.cut {
		c.cut = true
		c.shared.stats.Cut++
	}
	if c.shared.trace != nil {
		c.shared.trace(delivery{c, dir, nil, n, 0})
	}
	if h.late != nil {
		h.late.awaited = 0
	}
	c.give(dir, piece{t: t, lost: n})
}

// begin notes of a new connection which initial sequence numbers are known. Without one, what was lost at the beginning
// of that direction, such as the greeting, leaves no hole.
func (c *conn) begin(known [2]bool) {
	if c.shared.losses > 0 && known != [2]bool{true, true} {
		c.dialogue.Doubt()
	}
}

// hear notes that a segment of the connection was captured. A RST does not count: it may follow lost segments directly,
// and its sequence number need not show them.
func (c *conn) hear(p *decode.Packet) {
	if p.Flags&decode.RST == 0 && !c.closed {
		c.heardAt = c.shared.losses
	}
}

// settled reports whether the connection has ended and nothing of it can have been lost unseen. If something can, it
// warns the dialogue.
func (c *conn) settled(ended bool) bool {
	if c.heardAt == c.shared.losses {
		return ended
	}
	c.dialogue.MayHaveMissed()
	return false
}
