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
	tallies     [2]*tally // of the checksums of each sender; nil until one came
	dialogue    *smtp.Dialogue
	half        [2]half // by smtp.Direction
	last        time.Time
	heardAt     uint64 // Assembler.losses when the last segment of it was captured
	endedAt     time.Time
	list        *list.List // Assembler.recent or ended
	element     *list.Element
	hole        wait          // in Assembler.holed
	keeps       *list.Element // in Assembler.keeping; nil if there is nothing to evict
	vast        *list.Element // in Assembler.vast; nil if no flight is that long
	size        int64
	aside       []unacceptable // may not belong to the connection
	asideSize   int
	clientFirst bool // the lower endpoint is the client
	rival       bool // another handshake on the same ports was seen
	closed      bool // only remembered
}

func newConn(a *Assembler, k tuple) *conn {
	flows := new([2]flow)
	return &conn{a: a, key: k, half: [2]half{{flow: &flows[0]}, {flow: &flows[1]}}}
}

// over reports whether the connection has ended, or seems to.
func (c *conn) over() bool { return c.closed || c.half[0].rst >= 0 || c.half[1].rst >= 0 }

// direction returns the direction of a packet, given whether its source is the lower endpoint.
func (c *conn) direction(srcFirst bool) smtp.Direction {
	if srcFirst == c.clientFirst {
		return smtp.FromClient
	}
	return smtp.FromServer
}

// segment reads one TCP segment. Its way is: lookup of the connection, checksum, then process: dispatch (handshake, new
// connections), conn.arrives (RST, acceptability), conn.receive (ACK, URG, FIN), conn.order (overlaps, holes), conn.deliver.
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
	a.process(t, p, c, k, srcFirst)
}

// process reads a segment with a right checksum, and then those that were set aside, if it confirms that they are of a new
// connection. c is the connection that lookup found.
func (a *Assembler) process(t time.Time, p *decode.Packet, c *conn, k tuple, srcFirst bool) {
	if c = a.dispatch(t, p, c, k, srcFirst); c == nil {
		return
	}
	others, another := c.confirmed()
	if !another {
		a.account(c)
		return
	}
	a.remove(c, false)
	for i := range others {
		c, k, srcFirst := a.lookup(&others[i].p)
		if c = a.dispatch(others[i].t, &others[i].p, c, k, srcFirst); c != nil {
			a.account(c)
		}
	}
}

// dispatch reads a segment in its connection, which it opens at the first payload. It returns nil if there is none yet.
func (a *Assembler) dispatch(t time.Time, p *decode.Packet, c *conn, k tuple, srcFirst bool) *conn {
	if p.Flags&decode.SYN != 0 {
		if c = a.syn(t, c, k, srcFirst, p); c == nil && (len(p.Payload) == 0 || a.conns[k] != nil) {
			a.stats.IgnoredBytes += int64(len(p.Payload))
			return nil
		}
		p.Seq++ // the SYN counts one; data with it comes after (TCP Fast Open, RFC 7413)
	}
	if c != nil && c.rival && a.succeeds(c, k, srcFirst, p) {
		a.remove(c, c.over())
		c = nil
	}
	if c == nil {
		if len(p.Payload) == 0 || p.Flags&decode.RST != 0 {
			a.completeHandshake(t, k, srcFirst, p)
			a.stats.IgnoredBytes += int64(len(p.Payload))
			return nil
		}
		c = a.open(t, k, srcFirst, p)
	}
	if c.arrives(t, c.direction(srcFirst), p) {
		c.last = t
		c.hear(p)
	}
	return c
}

// lookup returns the connection of a segment, nil if there is none, and which end sent it. Segments come in bursts, so the
// connection of the segment before is tried first.
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

// arrives reads a segment (SEGMENT ARRIVES of RFC 9293 section 3.10.7), and reports whether it belongs to the connection as
// far as is known.
func (c *conn) arrives(t time.Time, dir smtp.Direction, p *decode.Packet) bool {
	h, o := &c.half[dir], &c.half[1-dir]
	if !h.known {
		h.base, h.known = p.Seq, true
	}
	off := h.offset(p.Seq)
	if p.Flags&decode.RST != 0 {
		c.a.stats.IgnoredBytes += int64(len(p.Payload)) // RFC 9293 section 3.5.3: a reason for people, not data
		c.reset(t, dir, off, p)
		return true
	}
	if c.closed {
		return c.arrivesClosed(t, dir, off, p)
	}
	if !c.acceptable(dir, off, p) {
		c.setAside(t, dir, off, p)
		c.updateLists()
		return false
	}
	c.receive(t, dir, off, p)
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
	c.updateLists()
	return true
}

// receive reads an acceptable segment: its ACK, data and FIN.
func (c *conn) receive(t time.Time, dir smtp.Direction, off int64, p *decode.Packet) {
	h, o := &c.half[dir], &c.half[1-dir]
	h.heard = true
	c.dialogue.Seen(dir)
	h.dropBogusAck(off, len(p.Payload))
	var acked int64
	if p.Flags&decode.ACK != 0 {
		c.withdrawEnd(1-dir, p.Ack)
		if acked = o.acknowledge(t, p.Ack); p.Flags&decode.SYN == 0 { // a SYN's window is not scaled
			o.offer(acked, p.Window, h.shift)
		}
		c.deliverAside(1 - dir)
	}
	data := p.Payload
	if p.Conflict || p.Flags&decode.URG != 0 && p.Urgent > 0 && len(data) > 0 {
		c.conflict(dir) // a server reads the urgent octet in line, or apart, or not at all
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

// updateLists adds c to the lists of connections with holes, or with something to evict, or removes it from them. They stay
// in insertion order, so that the output is deterministic.
func (c *conn) updateLists() {
	c.a.holed.await(c)
	keeps := c.half[0].held.len()+c.half[1].held.len()+len(c.aside) > 0 || c.half[0].long() || c.half[1].long()
	c.keeps = c.enlist(c.a.keeping, c.keeps, keeps && !c.closed)
	c.vast = c.enlist(c.a.vast, c.vast, !c.closed && (c.half[0].vast() || c.half[1].vast()))
}

// enlist appends a connection to a list, or removes it. e is its element there, nil if it has none, and so is the result.
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

// deliver passes the next bytes in order to the dialogue. acked is how far their sender had acknowledged the other direction.
func (c *conn) deliver(t time.Time, dir smtp.Direction, data []byte, acked int64) {
	h := &c.half[dir]
	h.remember(c.a, data)
	h.next += int64(len(data))
	h.ackedAt = c.a.now
	c.a.stats.DeliveredBytes += int64(len(data))
	c.half[1-dir].shrink(&c.a.histories) // once a reply comes, not at each bare ACK of a message
	if c.a.trace != nil {
		c.a.trace(delivery{c, dir, data, 0, acked})
	}
	c.dialogue.Push(dir, t, data, acked)
}

// feed gives up the first hole in the server's bytes, if the client has acknowledged it: the client's bytes wait in the
// dialogue for a reply that is in the hole, or after it.
func (c *conn) feed(t time.Time) {
	switch h := &c.half[smtp.FromServer]; {
	case h.acked <= h.next:
	case h.held.len() > 0:
		c.giveUp(smtp.FromServer)
		c.endEpisode(smtp.FromServer)
	default:
		c.lose(t, smtp.FromServer, h.acked-h.next)
	}
}

// delivery is what deliver and lose pass to the dialogue, for tests.
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

// connSize is about what a connection takes besides what it holds, in octets.
const connSize = 512
