package reassembly

import (
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// conn is one TCP connection that carried payload. Far more are remembered than are open, so it is small.
type conn struct {
	*open            // what it needs only while it is open
	*odd             // what few have; to be changed by own alone
	half   [2]half   // by smtp.Direction
	last   time.Time // of its last segment
	size   int64     // octets of it that are in connLists.held
	listed link      // in connLists.recent or ended
	key    tuple
	grave  grave   // of its tomb; 0: it has none
	right  [2]bool // checksums of that side's host were right

	clientFirst bool // the lower endpoint is the client
	rival       bool // another handshake on the same ports was seen
	closed      bool // only remembered
}

// odd is what few connections have: segments with tags or in tunnels, others of the same tuple, segments set aside.
type odd struct {
	lane   uint64    // the path by which the half-open table has its handshake
	paths  [2]uint64 // by which the segments of each side come; noPath: none was captured
	more   []via     // further paths, the latest last
	before *conn     // those with the same tuple, in a list that begins with the one in connLists.conns
	after  *conn

	aside     []unacceptable // may not belong to the connection
	asideSize int
}

// nothingOdd is that of all connections that have nothing odd: nothing changes it.
var nothingOdd odd

// own is what is odd about a connection, to be changed.
func (c *conn) own() *odd {
	if c.odd == &nothingOdd {
		c.odd = new(odd)
	}
	return c.odd
}

// open is what a connection needs only while it is open. When it has ended another connection gets it.
type open struct {
	shared    *shared
	dialogue  *smtp.Dialogue
	flows     [2]flow
	named     name
	copies    *copies    // of which it is one; nil
	postponed *postponed // for the dialogue; nil if nothing is
	heardAt   uint64     // shared.losses when the last segment of it was captured
	alone     bool       // nothing of the other direction came in time
	cut       bool       // octets were lost

	hole     wait
	keepLink link // in connLists.keeping
	vastLink link // in connLists.vast
}

// maxUnused bounds what is kept of ended connections for others: less than 1 MiB.
const maxUnused = 1024

func (s *shared) newConn(k tuple) *conn {
	var o *open
	if last := len(s.unused) - 1; last >= 0 {
		o, s.unused = s.unused[last], s.unused[:last]
	} else {
		o = new(open)
	}
	o.shared = s
	c := s.emptyConn()
	c.open, c.odd, c.key = o, &nothingOdd, k
	c.half[0].flow, c.half[1].flow = &o.flows[0], &o.flows[1]
	return c
}

// emptyConn returns a zero connection, in the memory of one that was in use before if there is such.
func (s *shared) emptyConn() *conn {
	last := len(s.empty) - 1
	if last < 0 {
		return new(conn)
	}
	c := s.empty[last]
	s.empty = s.empty[:last]
	return c
}

// leaveConn takes back the memory of a connection that is in a tomb.
func (s *shared) leaveConn(c *conn) {
	*c = conn{}
	if len(s.empty) < maxUnused {
		s.empty = append(s.empty, c)
	}
}

// leave takes what a closed connection needs no more.
func (s *shared) leave(c *conn) {
	if c.open == &s.none {
		return
	}
	if len(s.unused) < maxUnused {
		*c.open = open{} // or it would keep what it points to
		s.unused = append(s.unused, c.open)
	}
	c.open = &s.none
	d := c.odd
	tagged := d.lane|d.paths[0]|d.paths[1] != 0 || len(d.more) > 0
	if !tagged && d.before == nil && d.after == nil && len(d.aside) == 0 {
		c.odd = &nothingOdd
	}
}

// over reports whether the connection has ended, or seems to.
func (c *conn) over() bool { return c.closed || c.half[0].rst >= 0 || c.half[1].rst >= 0 }

// direction returns the direction of what a side sends: 0 is the lower endpoint.
func (c *conn) direction(side int) smtp.Direction {
	if (side == 0) == c.clientFirst {
		return smtp.FromClient
	}
	return smtp.FromServer
}

// arrives reads a segment (SEGMENT ARRIVES of RFC 9293 section 3.10.7), and reports whether it belongs to the
// connection as far as is known.
func (c *conn) arrives(t time.Time, dir smtp.Direction, p *decode.Packet) bool {
	h := &c.half[dir]
	if !h.known {
		h.base, h.known = p.Seq, true
	}
	off := h.offset(p.Seq)
	if p.Flags&decode.RST != 0 {
		c.shared.stats.IgnoredBytes += int64(len(p.Payload)) // RFC 9293 section 3.5.3: a reason for people, not data
		c.reset(t, dir, off, p)
		return true
	}
	if c.closed {
		return c.arrivesClosed(t, dir, off, p)
	}
	if !c.acceptable(dir, off, p) {
		c.setAside(t, dir, off, p)
		return false
	}
	c.receive(t, dir, off, p)
	c.closeBehindFINs(t)
	return true
}

// closeBehindFINs closes the connection if both directions have ended, and all before the FINs was delivered.
func (c *conn) closeBehindFINs(t time.Time) {
	for d := range c.half {
		if h := &c.half[d]; h.fin < 0 || h.next < h.fin {
			return
		}
	}
	for d := range c.half {
		if c.half[d].rst >= 0 {
			c.shared.stats.IgnoredResets++ // it was not the end
			c.half[d].rst = -1
		}
	}
	c.close(t, true)
}

// receive reads an acceptable segment: its ACK, data and FIN.
func (c *conn) receive(t time.Time, dir smtp.Direction, off int64, p *decode.Packet) {
	h, o := &c.half[dir], &c.half[1-dir]
	if !h.heard {
		c.firstHeard(t, dir, off)
		h.heard = true
		c.dialogue.Seen(dir)
	}
	h.dropBogusAck(off, len(p.Payload))
	var acked int64
	if p.Flags&decode.ACK != 0 {
		c.withdrawEnd(1-dir, p.Ack)
		if acked = o.acknowledge(t, p.Ack); p.Flags&decode.SYN == 0 { // a SYN's window is not scaled
			o.offer(acked, p.Window, h.shift)
		}
		c.confirmFIN(1-dir, p.Ack)
		c.deliverAside(1 - dir)
	}
	c.wentOn(dir, off)
	c.fillAcknowledged()
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
	switch {
	case len(data) > 0 && p.Unseen:
		c.orderUnseen(t, dir, off, p, acked)
	case len(data) > 0:
		c.order(t, dir, off, data, acked)
		if c.dialogue.Starves() {
			c.feed(t)
		}
	}
	if p.Flags&decode.FIN != 0 {
		if fin := off + int64(len(p.Payload)+p.Missing); h.fin < 0 && fin >= h.next ||
			(h.fin < 0 || fin < h.fin) && fin >= h.acked && o.heard && h.held.len() == 0 {
			h.fin = fin
			c.dropBehind(dir, fin)
		}
	}
}

// keeps reports whether the connection holds something that can be dropped while it goes on.
func (c *conn) keeps() bool {
	for d := range c.half {
		if h := &c.half[d]; h.held.len() > 0 || h.wrong.len() > 0 || h.long() {
			return true
		}
	}
	return len(c.aside) > 0 || c.postponed != nil
}

// maxWindow is the largest receive window of TCP, RFC 7323 section 2.3.
const maxWindow = 1 << 30

// deliver passes the next bytes in order to the dialogue. acked is how far their sender had acknowledged the other
// direction.
func (c *conn) deliver(t time.Time, dir smtp.Direction, data []byte, acked int64) {
	c.half[dir].remember(c.shared, data)
	c.pass(t, dir, data, acked)
}

// pass does so with octets that are in the history already.
func (c *conn) pass(t time.Time, dir smtp.Direction, data []byte, acked int64) {
	h := &c.half[dir]
	h.next += int64(len(data))
	h.ackedAt = c.shared.now
	c.shared.stats.DeliveredBytes += int64(len(data))
	c.half[1-dir].shrink(&c.shared.histories) // once a reply comes, not at each bare ACK of a message
	if c.shared.trace != nil {
		c.shared.trace(delivery{c, dir, data, 0, acked})
	}
	if h.late != nil {
		h.late.came(t, h.next, &c.shared.stats)
	}
	if c.postponed == nil && acked <= c.half[1-dir].next { // nearly always
		c.dialogue.Push(dir, t, data, acked)
		return
	}
	c.give(dir, piece{t: t, data: data, acked: acked})
}

// feed gives up the first hole in the server's bytes, if the client has acknowledged it: the client's bytes wait in the
// dialogue for a reply that is in the hole, or after it.
func (c *conn) feed(t time.Time) {
	switch h := &c.half[smtp.FromServer]; {
	case c.postponed != nil:
		c.giveAll()
	case h.acked <= h.next:
	case h.held.len() > 0:
		c.giveUp(smtp.FromServer)
		c.endEpisode(smtp.FromServer)
	default:
		c.passOver(t, smtp.FromServer, h.acked)
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
	c.shared.stats.Conflicts++
	c.give(dir, piece{conflict: true})
}

func (c *conn) heldBytes() int {
	if c.closed {
		return connSize + c.asideSize
	}
	return connSize + c.asideSize + c.dialogue.Held() + c.postponed.size() + c.half[0].size() + c.half[1].size()
}

// connSize is about what a connection takes besides what it holds, in octets.
const connSize = 512
