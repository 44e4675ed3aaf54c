package reassembly

import "tap25/reassembly/decode"

// straight reads a segment that only continues its connection: the next octets, if it has any, and an acknowledgment
// that goes no further than what was captured. Nearly all segments are such. It reports whether the segment was one,
// and does what handshake, arrives and hear do with it, in the same order. They would also look for what a calm
// connection does not have.
func (a *Assembler) straight(g *segment, c *conn) bool {
	p, dir := &g.p, c.direction(g.side)
	if p.Flags&^decode.PSH != decode.ACK || g.unverified || p.Conflict || p.Unseen || !c.calm() || a.general {
		return false
	}
	h, o := &c.half[dir], &c.half[1-dir]
	acked := o.offset(p.Ack)
	if h.offset(p.Seq) != h.next || acked < max(o.acked, o.next-farAway) || acked > o.next {
		return false
	}
	if acked > o.acked {
		o.acked, o.ackedAt = acked, g.t
	}
	o.offer(acked, p.Window, h.shift)
	if len(p.Payload) > 0 {
		h.seen = true
		c.deliver(g.t, dir, p.Payload, acked)
		if c.dialogue.Starves() {
			c.feed(g.t)
		}
	}
	c.last, c.heardAt = g.t, c.shared.losses
	return true
}

// calm reports whether a connection goes on as it should: it has no hole, no end, and nothing that waits or was set
// aside. Copies are out because one that ends may fill a hole of this one. A second handshake (conn.rival) may be there:
// a segment that goes straight is not of it.
func (c *conn) calm() bool {
	return !c.closed && len(c.aside) == 0 && c.copies == nil && c.postponed == nil &&
		c.half[0].calm() && c.half[1].calm()
}

func (h *half) calm() bool {
	return h.known && h.heard && h.fin < 0 && h.rst < 0 && h.acked <= h.next && h.held.len() == 0 &&
		h.wrong == nil && h.late == nil
}
