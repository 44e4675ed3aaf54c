package reassembly

import (
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// reset reads a RST. The connection has ended, unless the peer acknowledges more after it: then the RST never arrived.
// What the peer sent before the RST arrived still counts.
func (c *conn) reset(t time.Time, dir smtp.Direction, off int64, p *decode.Packet) {
	h, o := &c.half[dir], &c.half[1-dir]
	if c.closed {
		return
	}
	if off < h.next-1 && (off < h.acked || !o.heard || h.held.len() > 0) || off > h.next+farAway {
		c.shared.stats.IgnoredResets++
		return
	}
	h.heard = true
	c.dialogue.Seen(dir)
	if p.Flags&decode.ACK != 0 && o.near(o.offset(p.Ack)) {
		o.acknowledge(t, p.Ack)
	}
	h.rst = off
	if p.Flags&decode.ACK != 0 && off == h.next && o.fin >= 0 && o.next >= o.fin && o.offset(p.Ack) == o.fin+1 {
		c.close(t, true) // it answers the peer's FIN: nothing can follow
		return
	}
	for d := range c.half {
		if e := &c.half[d]; e.acked >= e.next {
			e.history.forget(&c.shared.histories)
		}
	}
}

// withdrawEnd forgets the FIN or RST of a direction if the peer acknowledges more than came before it.
func (c *conn) withdrawEnd(dir smtp.Direction, ack uint32) {
	h := &c.half[dir]
	off := h.offset(ack)
	if h.rst >= 0 && off > h.rst {
		h.rst = -1
		c.shared.stats.IgnoredResets++
	}
	if h.fin >= 0 && off > h.fin+1 {
		h.fin = -1
	}
}

// cutFlights drops the older part of flights longer than maxUnacked.
func (c *conn) cutFlights() {
	for dir := range c.half {
		if h := &c.half[dir]; h.vast() {
			h.cut(&c.shared.histories)
		}
	}
}

// letGo gives up all holes, and drops what was set aside, and long flights.
func (c *conn) letGo() {
	if c.half[0].held.len()+c.half[1].held.len() > 0 {
		c.shared.stats.HolesEvicted++
	}
	for dir := range c.half {
		c.drain(smtp.Direction(dir))
		h := &c.half[dir]
		if h.wrong = nil; h.long() {
			from := h.history.start
			h.history.shrink(&c.shared.histories)
			h.dropped(from)
		}
	}
	c.dropAside()
	c.giveAll()
}

// close ends the connection. What is held after holes is delivered; what was acknowledged and never captured is lost.
func (c *conn) close(t time.Time, ended bool) {
	if c.closed {
		return
	}
	c.settleUnverified(t)
	open := false // octets with a wrong checksum were received, or they were not
	if c.copies != nil {
		c.copies.leave(c)
	}
	for dir := range c.half {
		h := &c.half[dir]
		if !c.half[1-dir].heard {
			c.deliverOneSided(smtp.Direction(dir))
		}
		c.drain(smtp.Direction(dir))
		tail := h.acked - h.next
		if h.fin >= 0 { // it shows how far its sender had come, even if the acknowledgments of that were dropped as bogus
			tail = h.fin - h.next
		} else if ended || tail == 1 {
			tail-- // the FIN's own number
		}
		if ended && h.rst > h.next { // so does a RST; a FIN counts one more
			sent := h.rst - h.next
			if h.fin >= 0 {
				sent = min(sent, h.fin-h.next)
			} else if sent == 1 {
				sent = 0 // a FIN that was missed
			}
			tail = max(tail, sent)
		}
		if tail > 0 && h.heard {
			c.passOver(t, smtp.Direction(dir), h.next+tail)
		}
		open = open || h.wrong.len() > 0 && h.wrong.first().off == h.next
		h.history.forget(&c.shared.histories)
	}
	if c.giveAll(); open {
		c.dialogue.MayHaveMissed()
	}
	if h := &c.half[smtp.FromClient]; h.end() >= 0 && h.end() < h.next && h.acked <= h.end()+1 {
		c.dialogue.Unsent(h.next - h.end()) // the client ended before it, and the server never acknowledged it
	}
	c.dialogue.Close(t, c.settled(ended))
	c.dialogue.Release()
	c.closed, c.rival = true, false
	c.half[0].flow, c.half[1].flow = &noFlow, &noFlow
	c.dropAside()
}
