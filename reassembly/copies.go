package reassembly

import (
	"bytes"
	"hash/maphash"
	"slices"
	"time"

	"tap25/reassembly/smtp"
)

// copies are connections of one tuple with the same numbers in both directions, whose handshakes came on two paths.
// Most often they are one connection that was captured twice, as a mirror in front of a router and behind it shows it,
// or two ports of which one removes the tags; but two networks may happen to have the same numbers. What they send
// tells: each is read by itself, and a row that one of them has had is not emitted for another. A hole in one is
// filled by what another has in its place.
type copies struct {
	conns []*conn
	seed  maphash.Seed
	rows  map[uint64]int // by a hash of what they say: how many of them one connection has had
	had   map[had]int
	below *shared
	emit  func(*smtp.Envelope)
}

// had is a row that a connection had.
type had struct {
	c   *conn
	row uint64
}

const (
	// maxCopies bounds the connections that are copies of each other.
	maxCopies = 4
	// maxCopiedRows bounds the rows that are remembered. If there are more, a row may come twice.
	maxCopiedRows = 4096
)

// recognize looks for a connection of which a new one may be a copy.
func (a *Assembler) recognize(c *conn) {
	for x, n := a.lists.conns.get(&c.key), 0; x != nil && n < maxPeers; x, n = x.after, n+1 {
		a.shared.stats.Steps++
		if x == c || x.closed || x.clientFirst != c.clientFirst || !x.sameNumbers(c) {
			continue
		}
		if x.copies == nil {
			x.copies = &copies{
				seed: maphash.MakeSeed(), rows: map[uint64]int{}, had: map[had]int{},
				below: a.shared, emit: a.cfg.SMTP.Emit,
			}
			x.copies.take(x)
		}
		if len(x.copies.conns) < maxCopies {
			x.copies.take(c)
		}
		return
	}
}

// sameNumbers reports whether two connections have the same initial sequence numbers.
func (c *conn) sameNumbers(x *conn) bool {
	for d := range c.half {
		if h, o := &c.half[d], &x.half[d]; !h.known || !o.known || h.base != o.base {
			return false
		}
	}
	return true
}

func (s *copies) take(c *conn) {
	c.copies = s
	s.conns = append(s.conns, c)
	c.dialogue.EmitTo(func(e *smtp.Envelope) { s.row(c, e) })
}

// leave is called when a connection ends. Holes of the others are filled by what it still has.
func (s *copies) leave(c *conn) {
	s.conns = slices.DeleteFunc(s.conns, func(x *conn) bool { return x == c })
	for _, x := range s.conns {
		x.fillAcknowledged(c)
	}
}

// row emits a row of a connection, unless another one has had it. What tells the two captures apart does not count.
func (s *copies) row(c *conn, e *smtp.Envelope) {
	said := *e
	said.SeenAt, said.SessionID, said.MailNo, said.Network = time.Time{}, 0, 0, ""
	said.Flags, said.LostBytes = 0, 0
	row := maphash.Bytes(s.seed, said.AppendJSON(nil))
	if len(s.rows)+len(s.had) > maxCopiedRows {
		clear(s.rows)
		clear(s.had)
	}
	s.had[had{c, row}]++
	if n := s.had[had{c, row}]; n > s.rows[row] {
		s.rows[row] = n
		if s.emit != nil {
			s.emit(e)
		}
		return
	}
	s.below.stats.SMTP.Rows[e.Outcome]--
	s.below.stats.CopiedRows++
}

// fillAcknowledged fills holes that the peer has acknowledged by what copies have: all but itself, and one that ends.
func (c *conn) fillAcknowledged(ending ...*conn) {
	if c.copies == nil {
		return
	}
	for dir := range c.half {
		h := &c.half[dir]
		for _, x := range append(ending, c.copies.conns...) {
			if h.acked <= h.next || h.held.len() == 0 {
				break
			}
			if data := c.missing(x, smtp.Direction(dir), h.acked); len(data) > 0 {
				c.order(c.shared.now, smtp.Direction(dir), h.next, data, c.half[1-dir].acked)
				c.shared.stats.DeliveredBytes -= int64(len(data)) // it is of the copy's payload
			}
		}
	}
}

// fillFromCopies fills the hole before an offset, which is given up, and reports whether it did.
func (c *conn) fillFromCopies(dir smtp.Direction, until int64) bool {
	if c.copies == nil {
		return false
	}
	for _, x := range c.copies.conns {
		if data := c.missing(x, dir, until); len(data) > 0 {
			c.deliver(c.shared.now, dir, data, c.half[1-dir].acked)
			c.shared.stats.DeliveredBytes -= int64(len(data)) // it is of the copy's payload
			return true
		}
	}
	return false
}

// missing is what a copy has of a hole that reaches to an offset. It counts if the two agree in what both have in front
// of the hole, and the copy has the segment behind it, if there is one, and the same.
func (c *conn) missing(x *conn, dir smtp.Direction, until int64) []byte {
	h, from := &c.half[dir], &x.half[dir].history
	if x == c || c.closed || h.next >= until || from.start > h.next || from.end <= h.next ||
		len(h.history.unseen)+len(from.unseen) > 0 {
		return nil
	}
	begin, end := max(from.start, h.history.start), min(h.next, h.history.end)
	for off := begin; off < end; {
		part := from.at(off, end)
		if h.history.differs(nil, off, part) {
			return nil
		}
		off += int64(len(part))
	}
	if h.held.len() > 0 {
		r := h.held.first()
		if from.end < r.end() || from.differs(nil, r.off, r.data) {
			return nil
		}
		until = min(until, r.off)
	} else if begin >= end {
		return nil // there is nothing to compare
	}
	data := bytes.Clone(from.at(h.next, min(until, from.end)))
	c.shared.stats.Steps += int64(len(data)/stepBytes) + 1
	return data
}
