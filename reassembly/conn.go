package reassembly

import (
	"container/list"
	"net/netip"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// conn is one TCP connection that carried payload.
type conn struct {
	a           *Assembler
	key         tuple
	tallies     [2]*tally // of the checksums that they send; nil until one came
	dialogue    *smtp.Dialogue
	half        [2]half // by smtp.Direction
	last        time.Time
	heardAt     uint64 // Assembler.losses when a segment of it came last
	endedAt     time.Time
	list        *list.List // Assembler.recent or ended
	element     *list.Element
	hole        wait          // in Assembler.holed
	keeps       *list.Element // in Assembler.keeping; nil where there is nothing to let go
	vast        *list.Element // in Assembler.vast; nil likewise
	size        int64
	aside       []doubtful // what may not belong to the connection
	asideSize   int
	clientFirst bool // the lower endpoint is the client
	rival       bool // a handshake on the same ports was seen since
	closed      bool // only remembered
}

func newConn(a *Assembler, k tuple) *conn {
	flows := new([2]flow)
	return &conn{a: a, key: k, half: [2]half{{flow: &flows[0]}, {flow: &flows[1]}}}
}

// over says whether the connection has ended, or seems to.
func (c *conn) over() bool { return c.closed || c.half[0].rst >= 0 || c.half[1].rst >= 0 }

// direction of a packet whose source is the lower endpoint, or not.
func (c *conn) direction(srcFirst bool) smtp.Direction {
	if srcFirst == c.clientFirst {
		return smtp.FromClient
	}
	return smtp.FromServer
}

// segment takes one TCP segment.
func (a *Assembler) segment(t time.Time, p *decode.Packet) {
	a.stats.PayloadBytes += int64(len(p.Payload))
	if a.dec.Watches(p.Dst.Port()) {
		a.stats.ToServers++
	} else {
		a.stats.FromServers++
	}
	c, k, srcFirst := a.lookup(p)
	if a.behind && c != nil && a.overdue(c) {
		a.retire(c)
		c = nil
	}
	if a.wrongChecksum(p, c, srcFirst) {
		a.stats.IgnoredBytes += int64(len(p.Payload))
		return
	}
	a.accept(t, p, c, k, srcFirst)
}

// accept takes a segment that is counted and sound, and those of a new connection that it bears out; c is the connection
// that lookup found.
func (a *Assembler) accept(t time.Time, p *decode.Packet, c *conn, k tuple, srcFirst bool) {
	if c = a.read(t, p, c, k, srcFirst); c == nil {
		return
	}
	others, another := c.vindicated()
	if !another {
		a.account(c)
		return
	}
	a.remove(c, false)
	for i := range others {
		c, k, srcFirst := a.lookup(&others[i].p)
		if c = a.read(others[i].t, &others[i].p, c, k, srcFirst); c != nil {
			a.account(c)
		}
	}
}

// read takes a segment and returns its connection, nil where it has none yet.
func (a *Assembler) read(t time.Time, p *decode.Packet, c *conn, k tuple, srcFirst bool) *conn {
	if p.Flags&decode.SYN != 0 {
		if c = a.syn(t, c, k, srcFirst, p); c == nil && (len(p.Payload) == 0 || a.conns[k] != nil) {
			a.stats.IgnoredBytes += int64(len(p.Payload))
			return nil
		}
		p.Seq++ // the SYN counts one; what comes with it stands behind it (TCP Fast Open)
	}
	if c != nil && c.rival && a.succeeds(c, k, srcFirst, p) {
		a.remove(c, c.over())
		c = nil
	}
	if c == nil {
		if len(p.Payload) == 0 || p.Flags&decode.RST != 0 {
			a.shaken(t, k, srcFirst, p)
			a.stats.IgnoredBytes += int64(len(p.Payload))
			return nil
		}
		c = a.open(t, k, srcFirst, p)
	}
	if c.take(t, c.direction(srcFirst), p) {
		c.last = t
		c.hear(p)
	}
	return c
}

// lookup finds the connection of a segment, nil if there is none, and which end has sent it. Segments come in bursts: that
// of the segment before is tried first.
func (a *Assembler) lookup(p *decode.Packet) (c *conn, k tuple, srcFirst bool) {
	if c = a.latest; c != nil {
		switch {
		case p.Src == a.ends[0] && p.Dst == a.ends[1]:
			return c, c.key, a.first
		case p.Src == a.ends[1] && p.Dst == a.ends[0]:
			return c, c.key, !a.first
		}
	}
	k, srcFirst = tupleOf(p)
	if c = a.conns[k]; c != nil {
		a.latest, a.ends, a.first = c, [2]netip.AddrPort{p.Src, p.Dst}, srcFirst
	}
	return c, k, srcFirst
}

// take reads a segment, and says whether it belongs to the connection for all that is known.
func (c *conn) take(t time.Time, dir smtp.Direction, p *decode.Packet) bool {
	h, o := &c.half[dir], &c.half[1-dir]
	if !h.known {
		h.base, h.known = p.Seq, true
	}
	off := h.offset(p.Seq)
	if p.Flags&decode.RST != 0 {
		c.a.stats.IgnoredBytes += int64(len(p.Payload)) // RFC 9293 section 3.5.3: it says why, to nobody
		c.reset(t, dir, off, p)
		return true
	}
	if c.closed {
		return c.takeClosed(t, dir, off, p)
	}
	if !c.belongs(dir, off, p) {
		c.setAside(t, dir, off, p)
		c.doubt()
		return false
	}
	c.accept(t, dir, off, p)
	if h.fin >= 0 && o.fin >= 0 && h.next >= h.fin && o.next >= o.fin {
		for d := range c.half {
			if c.half[d].rst >= 0 {
				c.a.stats.IgnoredResets++ // it was not the end
				c.half[d].rst = -1
			}
		}
		c.close(t, true)
		return true
	}
	c.doubt()
	return true
}

// accept reads a segment that belongs to the connection.
func (c *conn) accept(t time.Time, dir smtp.Direction, off int64, p *decode.Packet) {
	h, o := &c.half[dir], &c.half[1-dir]
	h.heard = true
	c.dialogue.Seen(dir)
	h.disavow(off, len(p.Payload))
	var acked int64
	if p.Flags&decode.ACK != 0 {
		c.goesOn(1-dir, p.Ack)
		if acked = o.acknowledge(t, p.Ack); p.Flags&decode.SYN == 0 { // whose window is not scaled
			o.offer(acked, p.Window, h.shift)
		}
		c.settleAside(1 - dir)
	}
	data := p.Payload
	if p.Conflict || p.Flags&decode.URG != 0 && p.Urgent > 0 && len(data) > 0 {
		c.conflict(dir) // of urgent data, a server reads the octet in line, or apart, or not at all
	}
	if end := h.end(); end >= 0 && off+int64(len(data)) > end {
		keep := min(max(end-off, 0), int64(len(data)))
		rest := *p
		rest.Payload, rest.Seq = data[keep:], p.Seq+uint32(keep)
		c.setAside(t, dir, off+keep, &rest)
		data = data[:keep]
	}
	if len(data) > 0 {
		c.order(t, dir, off, data, acked)
		if c.dialogue.Starves() {
			c.feed(t)
		}
	}
	if p.Flags&decode.FIN != 0 {
		if fin := off + int64(len(p.Payload)+p.Missing); h.fin < 0 && fin >= h.next || (h.fin < 0 || fin < h.fin) && fin >= h.acked && o.heard && h.held.len() == 0 {
			h.fin = fin
			c.dropBehind(dir, fin)
		}
	}
}

// doubt keeps the lists of connections with holes, or more to let go, in the order in which these opened: rows come in the same order each time.
func (c *conn) doubt() {
	c.a.holed.await(c)
	keeps := c.half[0].held.len()+c.half[1].held.len()+len(c.aside) > 0 || c.half[0].long() || c.half[1].long()
	c.keeps = c.enlist(c.a.keeping, c.keeps, keeps && !c.closed)
	c.vast = c.enlist(c.a.vast, c.vast, !c.closed && (c.half[0].vast() || c.half[1].vast()))
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
	h.remember(c.a, data)
	h.next += int64(len(data))
	h.ackedAt = c.a.now
	c.a.stats.DeliveredBytes += int64(len(data))
	c.half[1-dir].shrink(&c.a.histories) // at a reply, not at each bare ACK of a message
	if c.a.trace != nil {
		c.a.trace(delivery{c, dir, data, 0, acked})
	}
	c.dialogue.Push(dir, t, data, acked)
}

// feed gives up the first hole in the server's bytes, if the client has acknowledged it: the client's bytes wait in the dialogue
// for a reply that stands there, or behind it.
func (c *conn) feed(t time.Time) {
	switch h := &c.half[smtp.FromServer]; {
	case h.acked <= h.next:
	case h.held.len() > 0:
		c.giveUp(smtp.FromServer)
		c.settle(smtp.FromServer)
	default:
		c.lose(t, smtp.FromServer, h.acked-h.next)
	}
}

// delivery is what push and lose hand to the dialogue, for tests to look at.
type delivery struct {
	c     *conn
	dir   smtp.Direction
	data  []byte
	lost  int64
	acked int64
}

func (c *conn) conflict(dir smtp.Direction) {
	c.a.stats.Conflicts++
	c.dialogue.Conflict(dir)
}

func (c *conn) heldBytes() int {
	if c.closed {
		return connSize + c.asideSize
	}
	return connSize + c.asideSize + c.dialogue.Held() + c.half[0].size() + c.half[1].size()
}

// connSize is what a connection costs besides what it holds, approximately.
const connSize = 512
