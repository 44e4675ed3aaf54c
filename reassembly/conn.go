package reassembly

import (
	"container/list"
	"net/netip"
	"time"

	"tap25/reassembly/smtp"
)

// conn is one TCP connection that carried payload.
type conn struct {
	a           *Assembler
	key         tuple
	tallies     [2]*tally // of the checksums that they send; nil until one came
	clientFirst bool      // the lower endpoint is the client
	dialogue    *smtp.Dialogue
	half        [2]half // by smtp.Direction
	last        time.Time
	element     *list.Element // in Assembler.recent
	hole        *list.Element // in Assembler.holed; nil without a hole
	keeps       *list.Element // in Assembler.keeping; nil where nothing is held behind one
	size        int64
	strays      int  // segments in a row far outside the window
	closed      bool // only remembered
}

// direction of a packet whose source is the lower endpoint, or not.
func (c *conn) direction(srcFirst bool) smtp.Direction {
	if srcFirst == c.clientFirst {
		return smtp.FromClient
	}
	return smtp.FromServer
}

// segment takes one TCP segment.
func (a *Assembler) segment(t time.Time, p *packet) {
	a.stats.PayloadBytes += int64(len(p.payload))
	c, k, srcFirst := a.lookup(p)
	if a.wrongChecksum(p, c, srcFirst) {
		a.stats.IgnoredBytes += int64(len(p.payload))
		return
	}
	if p.flags&tcpSYN != 0 {
		if c = a.syn(t, c, k, srcFirst, p); len(p.payload) == 0 {
			return
		}
		p.seq++ // the SYN counts one; what comes with it stands behind it (TCP Fast Open)
	}
	if c == nil {
		if len(p.payload) == 0 {
			if p.flags&tcpRST != 0 {
				a.halfOpen.take(k)
			}
			return
		}
		c = a.open(t, k, srcFirst, p)
	}
	c.last = t
	if c.closed {
		a.stats.DuplicateBytes += int64(len(p.payload))
		return
	}
	c.take(t, c.direction(srcFirst), p)
	if c.strays > 2 {
		// Not this connection any more: its ports were used again, and the capture missed the SYN.
		a.remove(c, false)
		return
	}
	a.account(c)
}

// lookup finds the connection of a segment, nil if there is none, and which end has sent it. Segments come in bursts: that
// of the segment before is tried first.
func (a *Assembler) lookup(p *packet) (c *conn, k tuple, srcFirst bool) {
	if c = a.latest; c != nil {
		switch {
		case p.src == a.ends[0] && p.dst == a.ends[1]:
			return c, c.key, a.first
		case p.src == a.ends[1] && p.dst == a.ends[0]:
			return c, c.key, !a.first
		}
	}
	k, srcFirst = tupleOf(p)
	if c = a.conns[k]; c != nil {
		a.latest, a.ends, a.first = c, [2]netip.AddrPort{p.src, p.dst}, srcFirst
	}
	return c, k, srcFirst
}

// syn notes a SYN or SYN-ACK. It returns the connection that the segment belongs to, nil where it begins a new one.
func (a *Assembler) syn(t time.Time, c *conn, k tuple, srcFirst bool, p *packet) *conn {
	if c != nil {
		h := &c.half[c.direction(srcFirst)]
		if h.known && h.base == p.seq+1 {
			return c // retransmitted
		}
		if p.flags&tcpACK != 0 && !c.closed && c.half[1-c.direction(srcFirst)].base == p.ack {
			c.dialogue.Seen(c.direction(srcFirst))
			return c // the SYN-ACK of a connection whose client spoke first
		}
		a.remove(c, c.half[0].fin >= 0 || c.half[1].fin >= 0)
	}
	side := 1
	if srcFirst {
		side = 0
	}
	v, ok := a.halfOpen.get(k)
	if ok && v.have[side] && v.isn[side] != p.seq && p.flags&tcpACK == 0 {
		v, ok = handshake{}, false // the ports are used again
	}
	v.isn[side], v.have[side], v.seen[side] = p.seq, true, true
	if p.flags&tcpACK != 0 {
		v.isn[1-side], v.have[1-side] = p.ack-1, true
		v.clientFirst = side == 1
	} else if !ok {
		v.clientFirst = side == 0
	}
	a.halfOpen.put(t, k, v)
	return nil
}

// open makes a connection at its first payload.
func (a *Assembler) open(t time.Time, k tuple, srcFirst bool, p *packet) *conn {
	a.stats.Sessions++
	c := &conn{a: a, key: k}
	v, handshaken := a.halfOpen.take(k)
	src := 1
	if srcFirst {
		src = 0
	}
	if handshaken {
		c.clientFirst = v.clientFirst
	} else {
		c.clientFirst = a.clientIsSource(p) == srcFirst
	}
	client, server := p.src, p.dst
	if srcFirst != c.clientFirst {
		client, server = server, client
	}
	sides := [2]int{0, 1} // direction to side
	if !c.clientFirst {
		sides = [2]int{1, 0}
	}
	for d := range c.half {
		h := &c.half[d]
		h.fin = -1
		side := sides[d]
		switch {
		case v.have[side]:
			h.base, h.known = v.isn[side]+1, true
		case side == src:
			h.base, h.known = p.seq, true
		case p.flags&tcpACK != 0:
			h.base, h.known = p.ack, true
		}
	}
	isn := v.isn[sides[smtp.FromClient]]
	haveISN := v.have[sides[smtp.FromClient]]
	c.dialogue = smtp.New(&a.cfg.SMTP, smtp.Session{
		ID: sessionID(client, server, isn, haveISN, t), Sensor: a.cfg.Sensor, Client: plain(client), Server: plain(server), Midstream: !handshaken,
	})
	for d, side := range sides {
		if v.seen[side] {
			c.dialogue.Seen(smtp.Direction(d))
		}
	}
	c.element = a.recent.PushFront(c)
	a.conns[k] = c
	return c
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// clientIsSource tells the roles where no SYN was seen: the client is the side that is not on an SMTP port; where both
// are, the side that does not send replies.
func (a *Assembler) clientIsSource(p *packet) bool {
	if s, d := a.ports[p.src.Port()], a.ports[p.dst.Port()]; s != d {
		return d
	}
	return !smtp.LooksLikeReply(p.payload)
}

// take reads a segment of an open connection.
func (c *conn) take(t time.Time, dir smtp.Direction, p *packet) {
	c.dialogue.Seen(dir)
	h, o := &c.half[dir], &c.half[1-dir]
	if !h.known {
		h.base, h.known = p.seq, true
	}
	var acked int64
	if p.flags&tcpACK != 0 {
		acked = o.acknowledge(t, p.ack)
	}
	off := h.offset(p.seq)
	if p.flags&tcpRST != 0 {
		if off < h.next-1 || off > h.next+maxWindow {
			c.a.stats.IgnoredResets++
			return
		}
		c.close(t, true)
		return
	}
	data := p.payload
	if p.conflict {
		c.conflict(dir)
	}
	if len(data) > 0 {
		if off > h.next+maxWindow || off+int64(len(data)) < h.next-maxWindow {
			c.strays++
			c.a.stats.IgnoredBytes += int64(len(data))
			return
		}
		c.strays = 0
		if h.fin >= 0 && off+int64(len(data)) > h.fin {
			keep := max(h.fin-off, 0)
			c.a.stats.IgnoredBytes += int64(len(data)) - keep
			data = data[:keep]
		}
		c.order(t, dir, off, data, acked)
	}
	if p.flags&tcpFIN != 0 && h.fin < 0 {
		if fin := off + int64(len(p.payload)+p.missing); fin >= h.next {
			h.fin = fin
		}
	}
	if h.known && h.fin >= 0 && o.fin >= 0 && h.next >= h.fin && o.next >= o.fin {
		c.close(t, true)
		return
	}
	c.doubt()
}

// doubt keeps the lists of connections with holes, in the order in which these opened: rows come in the same order each time.
func (c *conn) doubt() {
	c.hole = c.enlist(c.a.holed, c.hole, !c.closed && (c.half[0].waiting() || c.half[1].waiting()))
	c.keeps = c.enlist(c.a.keeping, c.keeps, !c.closed && len(c.half[0].held)+len(c.half[1].held) > 0)
}

// enlist puts a connection last in a list, or out of it; e is its place there, nil if none.
func (c *conn) enlist(l *list.List, e *list.Element, in bool) *list.Element {
	switch {
	case in && e == nil:
		return l.PushBack(c)
	case !in && e != nil:
		l.Remove(e)
		return nil
	}
	return e
}

// maxWindow is the largest receive window of TCP, RFC 7323 section 2.3.
const maxWindow = 1 << 30

// push hands bytes in order to the dialogue.
func (c *conn) push(t time.Time, dir smtp.Direction, data []byte, acked int64) {
	h := &c.half[dir]
	h.history.add(&c.a.histories, h.next, data)
	h.next += int64(len(data))
	h.ackedAt = c.a.now
	c.a.stats.DeliveredBytes += int64(len(data))
	if c.a.trace != nil {
		c.a.trace(delivery{c, dir, data, 0, acked})
	}
	c.dialogue.Push(dir, t, data, acked)
}

// delivery is what push and lose hand to the dialogue, for tests to look at.
type delivery struct {
	c     *conn
	dir   smtp.Direction
	data  []byte
	lost  int64
	acked int64
}

// lose says that the next n bytes were missed.
func (c *conn) lose(t time.Time, dir smtp.Direction, n int64) {
	h := &c.half[dir]
	h.next += n
	h.history.forget(&c.a.histories)
	c.a.stats.LostBytes += n
	if c.a.trace != nil {
		c.a.trace(delivery{c, dir, nil, n, 0})
	}
	c.dialogue.Lost(dir, t, n)
}

func (c *conn) conflict(dir smtp.Direction) {
	c.a.stats.Conflicts++
	c.dialogue.Conflict(dir)
}

// losePatience gives up holes that the peer has acknowledged and that nothing has filled since.
func (c *conn) losePatience(t time.Time) {
	for dir := range c.half {
		h := &c.half[dir]
		if !h.waiting() || t.Sub(h.ackedAt) < patience {
			continue
		}
		if len(h.held) > 0 {
			if h.acked > h.next || t.Sub(h.held[0].t) > 15*patience {
				c.giveUp(smtp.Direction(dir))
				c.settle(smtp.Direction(dir))
			}
		} else if n := h.acked - h.next; n > 1 { // 1 may be a FIN that was missed
			c.lose(t, smtp.Direction(dir), n)
		}
	}
	c.doubt()
}

// close ends the connection: what is held behind holes goes on, and what was acknowledged and never came is lost.
func (c *conn) close(t time.Time, ended bool) {
	if c.closed {
		return
	}
	for dir := range c.half {
		h := &c.half[dir]
		c.drain(smtp.Direction(dir))
		tail := h.acked - h.next
		if h.fin >= 0 {
			tail = min(tail, h.fin-h.next)
		} else if ended || tail == 1 {
			tail-- // the FIN's own number
		}
		if tail > 0 && h.seen {
			c.lose(t, smtp.Direction(dir), tail)
		}
		h.history.forget(&c.a.histories)
	}
	c.dialogue.Close(t, ended)
	c.dialogue, c.closed = nil, true
	c.doubt()
}

func (c *conn) heldBytes() int {
	if c.closed {
		return connSize
	}
	return connSize + c.dialogue.Held() + c.half[0].size() + c.half[1].size()
}

// connSize is what a connection costs besides what it holds, approximately.
const connSize = 512
