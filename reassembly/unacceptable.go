package reassembly

import (
	"bytes"
	"slices"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// unacceptable is a segment that fails the acceptability test of RFC 9293 section 3.10.7.4, or that comes after the end
// of its connection: without an ACK, with one far from what was sent, far outside the window, after FIN or RST, or with
// a SYN. It is set aside. It counts only if the peer acknowledges its bytes, or if another segment confirms it: then
// the connection has moved far ahead, or the segment belongs to a new connection on the same ports.
type unacceptable struct {
	t   time.Time
	dir smtp.Direction
	off int64
	p   decode.Packet
}

func (d *unacceptable) end() int64 { return d.off + int64(len(d.p.Payload)) }

const (
	// farAway is farther than any window or loss moves a connection ahead in one step, or a retransmission back. What
	// is farther away must be confirmed by the peer.
	farAway = 1 << 20

	maxAside      = 64 // segments of one connection
	maxAsideBytes = 64 << 10
	asideCost     = 192
)

// near reports whether an offset is within farAway of what the direction has sent.
func (h *half) near(off int64) bool {
	at := max(h.next, h.acked)
	if h.held.len() > 0 {
		at = max(at, h.held.end())
	}
	return off >= min(at-farAway, 0) && off <= at+farAway && off >= at-maxWindow
}

// acceptable reports whether a host would accept a segment of this connection: RFC 9293 section 3.10.7.4, with farAway
// in place of a window that may not have been captured.
func (c *conn) acceptable(dir smtp.Direction, off int64, p *decode.Packet) bool {
	h, o := &c.half[dir], &c.half[1-dir]
	if p.Flags&decode.ACK == 0 {
		return false
	}
	return h.near(off) && (!o.known || o.near(o.offset(p.Ack)))
}

// setAside keeps an unacceptable segment; the oldest makes room.
func (c *conn) setAside(t time.Time, dir smtp.Direction, off int64, p *decode.Packet) {
	c.shared.stats.IgnoredBytes += int64(len(p.Payload))
	if len(p.Payload) > maxAsideBytes || len(p.Payload) == 0 && p.Flags&decode.ACK == 0 {
		return
	}
	d := unacceptable{t, dir, off, *p}
	d.p.Payload, d.p.Flags = bytes.Clone(p.Payload), p.Flags&^decode.SYN // its sequence number is counted already
	c.own().aside = append(c.aside, d)
	c.own().asideSize += asideCost + len(p.Payload)
	for len(c.aside) > maxAside || c.asideSize > maxAsideBytes+maxAside*asideCost {
		c.removeAside(0)
	}
}

func (c *conn) dropAside() {
	if len(c.aside) > 0 {
		c.own().aside, c.own().asideSize = nil, 0
	}
}

func (c *conn) removeAside(i int) unacceptable {
	d := c.aside[i]
	c.shared.stats.Steps += int64(len(c.aside) - i)
	c.own().aside = slices.Delete(c.aside, i, i+1)
	c.own().asideSize -= asideCost + len(d.p.Payload)
	return d
}

// deliverAside orders what was set aside of a direction, as far as the peer has now acknowledged it. If the peer
// accepted another copy, the bytes differ, which order reports as a conflict.
func (c *conn) deliverAside(dir smtp.Direction) {
	h := &c.half[dir]
	c.shared.stats.Steps += int64(len(c.aside))
	for i := 0; i < len(c.aside); {
		d := &c.aside[i]
		if d.dir != dir || len(d.p.Payload) == 0 || d.off >= h.acked || !h.near(d.off) ||
			d.off > h.next && d.end() > h.acked {
			i++
			continue
		}
		n := min(int64(len(d.p.Payload)), h.acked-d.off)
		data := d.p.Payload[:n]
		acked := int64(0)
		if d.p.Flags&decode.ACK != 0 {
			acked = min(max(c.half[1-dir].offset(d.p.Ack), 0), c.half[1-dir].acked)
		}
		before := c.shared.stats.Conflicts
		c.shared.stats.IgnoredBytes -= n
		c.order(d.t, dir, d.off, data, acked)
		if int(n) == len(d.p.Payload) || c.shared.stats.Conflicts > before {
			c.removeAside(i)
			continue
		}
		d.off, d.p.Payload, d.p.Seq = d.off+n, d.p.Payload[n:], d.p.Seq+uint32(n)
		c.own().asideSize -= int(n)
	}
}

// passOver gives up the hole before an offset. What was set aside, or has a wrong checksum, fills it as far as it goes;
// the rest is lost.
func (c *conn) passOver(t time.Time, dir smtp.Direction, until int64) {
	h := &c.half[dir]
	for h.next < until {
		if c.fillUnverified(dir, until) || c.fillAside(dir, until) || c.fillFromCopies(dir, until) {
			continue
		}
		stop := until
		if h.wrong.len() > 0 {
			stop = min(stop, h.wrong.first().off)
		}
		c.lose(t, dir, stop-h.next)
	}
}

// fillAside delivers what was set aside in the hole before an offset, as far as it goes, and reports whether it did.
func (c *conn) fillAside(dir smtp.Direction, until int64) (filled bool) {
	h := &c.half[dir]
	c.shared.stats.Steps += int64(len(c.aside))
	for i := 0; i < len(c.aside); i++ {
		d := &c.aside[i]
		if d.dir != dir || h.next >= until || d.off > h.next || d.end() <= h.next {
			continue
		}
		data := d.p.Payload[h.next-d.off : min(d.end(), until)-d.off]
		c.shared.stats.IgnoredBytes -= int64(len(data))
		c.supersede(dir, h.next, data)
		c.deliver(d.t, dir, data, c.half[1-dir].acked)
		c.removeAside(i)
		c.shared.stats.Steps += int64(i)
		i, filled = -1, true
	}
	return filled
}

// deliverOneSided delivers at the end of a connection whose other side was never captured what was set aside, and what
// has a wrong checksum and stands before the FIN.
func (c *conn) deliverOneSided(dir smtp.Direction) {
	h := &c.half[dir]
	for c.fillUnverified(dir, h.fin) || c.fillAside(dir, maxWindow+h.next) {
	}
}

// dropBehind drops what is held after a FIN: no host delivers it.
func (c *conn) dropBehind(dir smtp.Direction, fin int64) {
	h := &c.half[dir]
	if h.held.len() == 0 || h.held.end() <= fin {
		return
	}
	if h.fedEnd > fin {
		c.unfeed(dir)
	}
	for h.held.len() > 0 && h.held.end() > fin {
		c.shared.stats.Steps++
		r := h.held.popLast()
		h.ahead -= r.cost()
		keep := max(fin-r.off, 0)
		c.shared.stats.IgnoredBytes += int64(len(r.data)) - keep
		if r.data = r.data[:keep]; keep > 0 {
			h.held.insert(r)
			h.ahead += r.cost()
		}
	}
	c.topUp(dir)
	c.endEpisode(dir)
}

// arrivesClosed reads a segment that comes after the end of the connection: a copy, or perhaps a segment of another
// connection. It never belongs to this one.
func (c *conn) arrivesClosed(t time.Time, dir smtp.Direction, off int64, p *decode.Packet) bool {
	h := &c.half[dir]
	if off <= h.next && h.near(off) && off+int64(len(p.Payload)) <= h.next {
		c.shared.stats.DuplicateBytes += int64(len(p.Payload))
		return false
	}
	if len(p.Payload) > 0 || !h.near(off) {
		c.setAside(t, dir, off, p)
	}
	return false
}

// confirmed checks whether the latest set-aside segment is corroborated by another: by one of the other direction that
// answers it, or, if only one direction was captured, by two more that agree with it. If so, and they belong to another
// connection, it returns all that was set aside, and true. If this connection has moved far ahead, it follows.
func (c *conn) confirmed() (others []unacceptable, another bool) {
	n := len(c.aside)
	if n < 2 {
		return nil, false
	}
	last := &c.aside[n-1]
	c.shared.stats.Steps += int64(n)
	agree, alike := false, 0
	for i := range c.aside[:n-1] {
		d := &c.aside[i]
		agree = agree || d.dir != last.dir && c.answers(d, last)
		if d.dir == last.dir && last.p.Flags&d.p.Flags&decode.ACK != 0 && last.p.Seq-d.p.Seq < farAway &&
			last.p.Ack-d.p.Ack < farAway && !c.half[d.dir].near(d.off) {
			alike++
		}
	}
	if !agree && (alike < 2 || c.half[1-last.dir].heard) {
		return nil, false
	}
	h, o := &c.half[last.dir], &c.half[1-last.dir]
	ack := o.offset(last.p.Ack)
	if c.closed || !(h.near(last.off) || o.near(ack)) || last.off < h.next-farAway || ack < o.acked-farAway {
		others = c.aside
		for i := range others {
			c.shared.stats.IgnoredBytes -= int64(len(others[i].p.Payload))
		}
		c.dropAside()
		return others, true
	}
	c.leap()
	return nil, false
}

// answers reports whether the sender of b had received a, in the same connection.
func (c *conn) answers(a, b *unacceptable) bool {
	if a.p.Flags&b.p.Flags&decode.ACK == 0 || len(a.p.Payload)+len(b.p.Payload) == 0 {
		return false
	}
	return b.p.Seq-a.p.Ack < farAway && b.p.Ack-a.p.Seq < farAway && b.p.Ack-a.p.Seq >= uint32(len(a.p.Payload))
}

// leap follows the connection far ahead, where both sides are: the capture missed a lot.
func (c *conn) leap() {
	aside := c.aside
	c.dropAside()
	c.shared.stats.Steps += int64(len(aside))
	for i := range aside {
		d := &aside[i]
		if d.p.Flags&decode.ACK == 0 {
			continue
		}
		c.shared.stats.IgnoredBytes -= int64(len(d.p.Payload))
		c.receive(d.t, d.dir, d.off, &d.p)
	}
}
